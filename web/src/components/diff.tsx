import { Badge, Box, Group, Paper, Stack, Text } from '@mantine/core';
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';

type Difference = Schemas['Difference'];

interface Mask {
  set: boolean;
  fingerprint: string;
}

function isMask(value: unknown): value is Mask {
  return typeof value === 'object' && value !== null && 'fingerprint' in value && 'set' in value;
}

/** A value as it is read: texts without quotes, secrets by their fingerprint, the rest as JSON. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return value === '' ? '""' : (pem(value) ?? value);
  if (isMask(value)) return `secret ${value.fingerprint.slice(0, 8)}…`;
  if (typeof value !== 'object') return String(value);
  const short = (inner: unknown) =>
    isMask(inner) ? shown(inner) : typeof inner === 'string' ? (pem(inner) ?? inner) : inner;
  return JSON.stringify(value, (_key, inner: unknown) => short(inner), 2);
}

/** Certificates by their number, and by how they end: nobody reads the rest. */
function pem(text: string): string | null {
  const count = text.split('-----BEGIN ').length - 1;
  if (count === 0) return null;
  const end = /([A-Za-z0-9+/]{1,12}=*)\s*-----END [^-]*-----\s*$/.exec(text)?.[1] ?? '';
  return `PEM, ${plural(count, 'part')}, ends in …${end}`;
}

export type Kind = 'added' | 'removed' | 'changed';

export function kindOf(difference: Difference): Kind {
  if (difference.before === undefined || difference.before === null) return 'added';
  if (difference.after === undefined || difference.after === null) return 'removed';
  return 'changed';
}

const COLOUR: Record<Kind, string> = { added: 'green', removed: 'red', changed: 'blue' };

/** `integrations[vpn].port` -> `integrations[vpn]`; settings have no element. */
export function thingOf(path: string): string {
  return /^[a-z_]+(\[[^\]]*\])?/.exec(path)?.[0] ?? path;
}

/** What differs, thing by thing, before and after. */
export function Diff({ differences }: { differences: readonly Difference[] }) {
  if (differences.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing changes.
      </Text>
    );
  }
  const things = new Map<string, Difference[]>();
  for (const difference of differences) {
    const thing = thingOf(difference.path);
    things.set(thing, [...(things.get(thing) ?? []), difference]);
  }
  return (
    <Stack gap="xs" role="group" aria-label="Changes">
      <Text size="sm" c="dimmed">
        {plural(differences.length, 'change')}
      </Text>
      {[...things].map(([thing, list]) => (
        <Paper key={thing} withBorder radius="md" style={{ overflow: 'hidden' }}>
          <Group px="sm" py={6} gap="xs" justify="space-between">
            <Text fw={600} size="sm" className="wrap">
              {thing}
            </Text>
          </Group>
          {list.map((difference) => {
            const kind = kindOf(difference);
            return (
              <Box
                key={difference.path}
                bd="1px solid var(--mantine-color-default-border)"
                style={{ borderWidth: '1px 0 0' }}
              >
                <Group px="sm" py={4} gap="xs">
                  <Badge size="sm" color={COLOUR[kind]} variant="light" tt="none">
                    {kind}
                  </Badge>
                  <Text size="sm" className="mono wrap">
                    {difference.path.slice(thing.length).replace(/^\./, '') || thing}
                  </Text>
                </Group>
                {kind !== 'added' && (
                  <pre className="diff-line diff-before">
                    <span aria-hidden>− </span>
                    {shown(difference.before)}
                  </pre>
                )}
                {kind !== 'removed' && (
                  <pre className="diff-line diff-after">
                    <span aria-hidden>+ </span>
                    {shown(difference.after)}
                  </pre>
                )}
              </Box>
            );
          })}
        </Paper>
      ))}
    </Stack>
  );
}
