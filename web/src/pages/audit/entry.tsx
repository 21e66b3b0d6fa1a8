import { Button, Group, Stack, Text } from '@mantine/core';
import { CopyIcon } from '@/components/copy';
import { Diff, shown } from '@/components/diff';
import { TextLink } from '@/components/links';
import { detailOf } from './detail';
import type { Filter } from './filter';
import type { Entry } from './queries';

/** What an entry says beside its line: what differs, where it leads, what binds it. */
export function EntryDetail({ entry, narrow }: { entry: Entry; narrow: (filter: Filter) => void }) {
  const detail = detailOf(entry.action, entry.detail);
  const revision = /^revision (\d+)$/.exec(entry.target)?.[1];
  return (
    <Stack gap="sm" py="xs">
      {detail.kind === 'differences' && <Diff differences={detail.differences} />}
      {detail.kind === 'facts' && (
        <Stack gap={2} component="dl" m={0}>
          {detail.facts.map(({ name, value }) => (
            <Group key={name} gap="xs" align="baseline">
              <Text component="dt" size="sm" c="dimmed">
                {name}
              </Text>
              <Text component="dd" size="sm" className="wrap" m={0} style={{ whiteSpace: 'pre-wrap' }}>
                {shown(value)}
              </Text>
            </Group>
          ))}
        </Stack>
      )}
      {detail.kind === 'nothing' && (
        <Text size="sm" c="dimmed">
          No further details.
        </Text>
      )}
      <Group gap="xs">
        {revision && (
          <TextLink to="/revisions/$number" params={{ number: revision }} size="sm">
            To revision {revision}
          </TextLink>
        )}
        <Button variant="default" size="compact-sm" onClick={() => narrow({ actor: entry.actor })}>
          All by {entry.actor}
        </Button>
        {entry.target && (
          <Button variant="default" size="compact-sm" onClick={() => narrow({ target: entry.target })}>
            All about {entry.target}
          </Button>
        )}
        {entry.source && (
          <Button variant="default" size="compact-sm" onClick={() => narrow({ source: entry.source })}>
            All from {entry.source}
          </Button>
        )}
      </Group>
      <Group gap={4} wrap="nowrap">
        <Text size="xs" c="dimmed" className="wrap">
          Entry {entry.seq}, chained by <span className="mono">{entry.link}</span>
        </Text>
        <CopyIcon value={entry.link} label={`Copy the link of entry ${entry.seq}`} />
      </Group>
    </Stack>
  );
}
