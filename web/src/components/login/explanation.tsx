import { Alert, Stack, Text } from '@mantine/core';
import { Check, CircleHelp, CircleSlash, ShieldAlert, X } from 'lucide-react';
import { TextLink } from '@/components/links';
import { capitalised } from '@/lib/format';
import { useSession } from '@/session';
import { explain } from './explain';
import type { Person } from './person';
import { usePerson } from './use-person';
import { type AuthEvent, mark, OUTCOMES, STAGES } from './words';

const ICONS = { accept: Check, reject: X, challenge: CircleHelp, unanswered: CircleSlash };

/** Why a login ended as it did, in a sentence, and what to do next. Of a login of several requests the last. */
export function Explanation({ event }: { event: AuthEvent }) {
  const person = usePerson(event);
  const { why, next, evidence, atUser } = explain(event, person);
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
            The step “{STAGES[evidence.stage].word}” says: <span className="mono">{evidence.detail}</span>
          </Text>
        )}
        {next && (
          <Text size="sm" className="wrap">
            <b>What to do:</b> {next}
          </Text>
        )}
        {atUser && person && <ToPerson person={person} />}
        {event.test && (
          <Text size="sm">This was a test by an administrator: nobody was let in anywhere.</Text>
        )}
      </Stack>
    </Alert>
  );
}

/** Where it is done: a name that nobody has yet can be added there. */
function ToPerson({ person }: { person: Person }) {
  const { may } = useSession();
  return (
    <Text size="sm">
      <TextLink
        underline="always"
        to="/second-factor/users/$name"
        params={{ name: person.name }}
        className="wrap"
        inherit
      >
        {person.is === 'nobody' && may('operator')
          ? `Add ${person.name} to the second factor`
          : `${person.name} at the second factor`}
      </TextLink>
    </Text>
  );
}
