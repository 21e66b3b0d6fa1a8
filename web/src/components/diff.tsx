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
  if (typeof value === 'string') return value === '' ? '""' : value;
  if (isMask(value)) return `secret ${value.fingerprint.slice(0, 8)}…`;
  if (typeof value !== 'object') return String(value);
  return JSON.stringify(value, (_key, inner: unknown) => (isMask(inner) ? shown(inner) : inner), 2);
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/** The certificates of a text that is nothing but certificates; null of any other. */
function blocks(value: unknown): string[] | null {
  if (typeof value !== 'string') return null;
  const found = value.match(BLOCK);
  return found && value.replace(BLOCK, '').trim() === '' ? found.map((block) => block.trim()) : null;
}

/**
 * `value` beside what it was, or becomes: of certificates those that the other has not, whole, and how many
 * both have. Nothing that differs is ever cut: somebody decides by it whom the gateway trusts.
 */
export function beside(value: unknown, other: unknown): string {
  const [mine, theirs] = [blocks(value), blocks(other)];
  if (!mine || !theirs) return shown(value);
  const different = mine.filter((block) => !theirs.includes(block));
  const same = mine.length - different.length;
  const both = `${plural(same, 'part')} as on the other side`;
  if (different.length === 0)
    return `${both}${mine.length === theirs.length ? ', in another order or form' : ''}`;
  return same === 0 ? different.join('\n') : `${both}, and:\n${different.join('\n')}`;
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
                    {beside(difference.before, difference.after)}
                  </pre>
                )}
                {kind !== 'removed' && (
                  <pre className="diff-line diff-after">
                    <span aria-hidden>+ </span>
                    {beside(difference.after, difference.before)}
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
