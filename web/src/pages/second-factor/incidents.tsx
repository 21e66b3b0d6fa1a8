/** What an administrator should look at, the newest first. */
import { Badge, Table, Text, Tooltip } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { ShieldCheck } from 'lucide-react';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { ReadOn } from './more';
import { incidentsQuery, type Narrowed } from './queries';
import { INCIDENTS, type Incident, whence } from './risk-words';

export function Incidents({ narrowed, ofOne = false }: { narrowed: Narrowed; ofOne?: boolean }) {
  const query = useInfiniteQuery({
    ...incidentsQuery(narrowed, ofOne ? 5 : undefined),
    refetchInterval: 10_000,
  });
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const isNarrowed = Boolean(narrowed.user || narrowed.kind);
  return (
    <>
      <ProblemAlert error={query.error} retry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data &&
        items.length === 0 &&
        (ofOne ? (
          <Text size="sm" c="dimmed">
            None.
          </Text>
        ) : (
          <Empty icon={ShieldCheck} title={isNarrowed ? 'No incident matches' : 'No incidents'}>
            {isNarrowed
              ? 'A user’s name must match in full; letter case is ignored.'
              : 'Reported frauds, lock-outs, passcodes that came twice and the like appear here.'}
          </Empty>
        ))}
      {items.length > 0 && (
        <>
          <StackedTable
            label="Incidents"
            columns={ofOne ? ['When', 'What', 'More'] : ['When', 'What', 'User', 'Where', 'More']}
            dense
          >
            {items.map((one) => (
              <Row key={one.id} incident={one} ofOne={ofOne} />
            ))}
          </StackedTable>
          <ReadOn
            said={`${plural(items.length, 'incident')}, newest first${query.hasNextPage ? '' : '; this is all of them'}`}
            more={query.hasNextPage}
            busy={query.isFetchingNextPage}
            read={async () => (await query.fetchNextPage()).hasNextPage}
            verb="Show older"
          />
        </>
      )}
    </>
  );
}

function Row({ incident, ofOne }: { incident: Incident; ofOne: boolean }) {
  const { word, colour, about } = INCIDENTS[incident.kind];
  const where = whence(incident);
  return (
    <Table.Tr>
      <WholeCell>
        <Text size="sm">
          <Time ms={incident.at * 1_000} />
        </Text>
      </WholeCell>
      <Cell of="What">
        <Tooltip label={about} multiline maw={320}>
          <Badge variant="light" color={colour} tt="none" style={{ minWidth: 'max-content' }}>
            {word}
          </Badge>
        </Tooltip>
      </Cell>
      {!ofOne && (
        <>
          <Cell of="User">
            <TextLink
              to="/second-factor/users/$name"
              params={{ name: incident.user }}
              size="sm"
              className="wrap"
            >
              {incident.user}
            </TextLink>
          </Cell>
          <Cell of="Where">{where || 'not at a login'}</Cell>
        </>
      )}
      <Cell of="More">
        <Text size="sm">{about}</Text>
        <Text size="xs" c="dimmed">
          {[ofOne ? where : '', incident.detail].filter(Boolean).join('; ')}
        </Text>
      </Cell>
    </Table.Tr>
  );
}
