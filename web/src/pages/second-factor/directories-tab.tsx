/** Lists of directories that users come from, and what came of the last synchronization of each. */
import { Badge, Button, Group, Stack, Table, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { FolderSync } from 'lucide-react';
import { useState } from 'react';
import { Empty } from '@/components/empty';
import { Loaded } from '@/components/page';
import { Actions, Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time, useNow } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { statusQuery } from './queries';
import { ForgetList, SyncDirectory, useDirectories } from './sync-directory';
import { type LastSync, type Listed, listed, OUTCOMES, remarks } from './sync-words';

export function DirectoriesTab() {
  const query = useQuery(statusQuery);
  return <Loaded query={query}>{({ syncs }) => <Lists syncs={syncs} />}</Loaded>;
}

function Lists({ syncs }: { syncs: LastSync[] }) {
  const { may } = useSession();
  const sections = useDirectories();
  const now = useNow(60_000);
  const [syncing, dialog] = useDisclosure();
  const [forgotten, setForgotten] = useState<string | null>(null);
  const [list, setList] = useState<Listed>();
  const begin = (source?: string) => {
    setList(source === undefined ? undefined : listed(source));
    dialog.open();
  };
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed" maw="72ch">
        Users of a directory follow it from one synchronization to the next. A synchronization runs when it is
        asked for: here, or by a timer that runs countersign factor sync.
      </Text>
      {syncs.length === 0 ? (
        <Empty
          icon={FolderSync}
          title="No list yet"
          action={may('admin') && <Button onClick={() => begin()}>Import users from a directory</Button>}
        >
          Users come from no directory: those who are here were made by hand or came from a file.
        </Empty>
      ) : (
        <StackedTable
          label="Lists of directories"
          columns={['List', 'Last time', 'Last taken in']}
          actions
          dense
        >
          {syncs.map((one) => (
            <Row
              key={one.source}
              sync={one}
              remarks={remarks(one, sections, now)}
              isThere={sections === undefined || sections.includes(listed(one.source).section)}
              {...(may('admin')
                ? { again: () => begin(one.source), forget: () => setForgotten(one.source) }
                : {})}
            />
          ))}
        </StackedTable>
      )}
      {!may('admin') && (
        <Text size="sm" c="dimmed">
          Lists are synchronized and forgotten by administrators.
        </Text>
      )}
      <SyncDirectory opened={syncing} close={dialog.close} list={list} />
      <ForgetList source={forgotten} close={() => setForgotten(null)} />
    </Stack>
  );
}

function Row({
  sync,
  remarks,
  isThere,
  again,
  forget,
}: {
  sync: LastSync;
  remarks: string[];
  /** Whether its section is there to be asked. */
  isThere: boolean;
  again?: () => void;
  forget?: () => void;
}) {
  const { word, colour, about } = OUTCOMES[sync.outcome];
  const { section, groupDn } = listed(sync.source);
  return (
    <Table.Tr>
      <WholeCell>
        <Text size="sm" fw={600} className="wrap">
          {section}
        </Text>
        <Text size="xs" c="dimmed" className="wrap">
          {groupDn ?? 'all whom it lets log in'}
        </Text>
        {remarks.map((remark) => (
          <Text key={remark} size="xs" c="orange" className="wrap">
            {remark}
          </Text>
        ))}
      </WholeCell>
      <Cell of="Last time">
        <Group gap={8}>
          <Tooltip label={about} multiline maw={320}>
            <Badge variant="light" color={colour} tt="none" style={{ minWidth: 'max-content' }}>
              {word}
            </Badge>
          </Tooltip>
          <Text size="sm" span>
            <Time ms={sync.at * 1_000} />
          </Text>
        </Group>
        {sync.why && (
          <Text size="xs" c="dimmed" className="wrap">
            {sync.why}
          </Text>
        )}
      </Cell>
      <Cell of="Last taken in">
        <Text size="sm">{plural(sync.people, 'person', 'people')}</Text>
        {sync.taken_at !== sync.at && (
          <Text size="xs" c="dimmed">
            <Time ms={sync.taken_at * 1_000} />
          </Text>
        )}
      </Cell>
      <Actions>
        <Group gap="xs" justify="flex-end">
          {again && isThere && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={again}
              aria-label={`Synchronize ${sync.source}`}
            >
              Synchronize
            </Button>
          )}
          {forget && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={forget}
              aria-label={`Forget the list ${sync.source}`}
            >
              Forget
            </Button>
          )}
        </Group>
      </Actions>
    </Table.Tr>
  );
}
