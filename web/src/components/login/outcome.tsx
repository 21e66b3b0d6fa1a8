import { Badge, Tooltip } from '@mantine/core';
import { Check, CircleHelp, CircleSlash, ShieldAlert, X } from 'lucide-react';
import { type AuthEvent, mark, OUTCOMES, type Outcome } from './words';

const ICONS = { accept: Check, reject: X, challenge: CircleHelp, unanswered: CircleSlash };

/** How a login ended, by colour, sign and word. */
export function OutcomeBadge({ outcome, size = 'md' }: { outcome: Outcome; size?: 'sm' | 'md' | 'lg' }) {
  const shown = OUTCOMES[outcome];
  const Icon = ICONS[outcome];
  return (
    <Badge
      variant="light"
      color={shown.colour}
      size={size}
      tt="none"
      miw="max-content"
      leftSection={<Icon size={size === 'lg' ? 15 : 12} aria-hidden />}
    >
      {shown.word}
    </Badge>
  );
}

/** The mark of a login that was let in without the second factor being asked. */
export function WeakMark({ event, size = 'md' }: { event: AuthEvent; size?: 'sm' | 'md' }) {
  const shown = mark(event);
  if (!shown) return null;
  return (
    <Tooltip label={shown.about} multiline maw={320}>
      <Badge
        variant="light"
        color="orange"
        size={size}
        tt="none"
        miw="max-content"
        leftSection={<ShieldAlert size={12} aria-hidden />}
      >
        {shown.word}
      </Badge>
    </Tooltip>
  );
}
