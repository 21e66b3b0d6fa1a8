import { Alert, Stack, Text } from '@mantine/core';
import { Check, CircleHelp, CircleSlash, ShieldAlert, X } from 'lucide-react';
import { capitalised } from '@/lib/format';
import { explain } from './explain';
import { type AuthEvent, mark, OUTCOMES, STAGES } from './words';

const ICONS = { accept: Check, reject: X, challenge: CircleHelp, unanswered: CircleSlash };

/** Why a login ended as it did, in a sentence, and what to do next. Of a login of several requests the last. */
export function Explanation({ event }: { event: AuthEvent }) {
  const { why, next, evidence } = explain(event);
  const weak = mark(event);
  const { word, colour } = OUTCOMES[event.outcome];
  const Icon = weak ? ShieldAlert : ICONS[event.outcome];
  return (
    <Alert
      color={weak ? 'orange' : colour}
      icon={<Icon size={20} aria-hidden />}
      title={`${capitalised(word)}${weak ? `: ${weak.word}` : ''}`}
      role="group"
    >
      <Stack gap={6}>
        <Text fw={600} className="wrap">
          {why}
        </Text>
        {evidence && (
          <Text size="sm" className="wrap">
            {STAGES[evidence.stage].word}: <span className="mono">{evidence.detail}</span>
          </Text>
        )}
        {next && (
          <Text size="sm" className="wrap">
            <b>What to do:</b> {next}
          </Text>
        )}
        {event.test && (
          <Text size="sm">This was a test by an administrator: nobody was let in anywhere.</Text>
        )}
      </Stack>
    </Alert>
  );
}
