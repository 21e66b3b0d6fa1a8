import { Anchor, Badge, Button, Group, NativeSelect, Table, Text } from '@mantine/core';
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { MessageCircleQuestion, Network, Plus, Search } from 'lucide-react';
import { api, ask, type Schemas } from '@/api/client';
import { authenticatorsQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { Loading, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Cell, StackedTable } from '@/components/stacked';
import { count, plural } from '@/lib/format';
import { useSession } from '@/session';
import { useReadOnly } from './forms/frame';
import { isBuiltIn, MODE_NAMES } from './forms/integration-fields';
import type { Doc } from './forms/path';
import { filterOf, isNarrowed, SORTS } from './integrations/filter';

type Integration = Schemas['Integration'];

export function IntegrationsPage() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const { readOnly, banner } = useReadOnly();
  const { may } = useSession();
  const filter = filterOf(search);
  const query = useInfiniteQuery({
    queryKey: ['integrations', 'list', filter],
    queryFn: ({ pageParam }) =>
      ask(
        api.GET('/api/v1/integrations', {
          params: { query: { ...filter, limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });
  const { data: authenticators } = useQuery(authenticatorsQuery);
  const narrow = (name: string, value: string) =>
    void navigate({
      to: '/integrations',
      search: { ...search, [name]: value === '' ? undefined : value },
      replace: true,
    });
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const total = query.data?.pages[0]?.total;
  const actions = (
    <Group gap="xs">
      {may('admin') && (
        <Button
          component={Link}
          to="/welcome"
          variant="default"
          leftSection={<MessageCircleQuestion size={16} aria-hidden />}
        >
          Set up a device
        </Button>
      )}
      {!readOnly && (
        <Button component={Link} to="/integrations/-/new" leftSection={<Plus size={16} aria-hidden />}>
          New integration
        </Button>
      )}
    </Group>
  );
  const narrowed = isNarrowed(filter);
  return (
    <Page
      title="Integrations"
      lead="Where devices ask: each with its port, its clients, who checks passwords, and the second factor."
      actions={actions}
    >
      {banner}
      {(narrowed || items.length > 0 || query.error) && (
        <Group gap="xs" align="flex-end">
          <Find
            label="Search"
            placeholder="Name, mode, port, address"
            text={search.q ?? ''}
            found={(text) => narrow('q', text.trim())}
          />
          <Choice
            label="Mode"
            value={search.mode}
            names={MODE_NAMES}
            change={(value) => narrow('mode', value)}
          />
          <Choice
            label="Authenticator"
            value={search.authenticator}
            names={Object.fromEntries((authenticators?.items ?? []).map(({ id }) => [id, id]))}
            change={(value) => narrow('authenticator', value)}
          />
          <Choice
            label="Second factor"
            value={search.builtin}
            names={{ true: 'Built in', false: 'Another' }}
            change={(value) => narrow('builtin', value)}
          />
          <Choice
            label="When unreachable"
            value={search.fail_mode}
            names={{ safe: 'Lets in (safe)', secure: 'Rejects (secure)' }}
            change={(value) => narrow('fail_mode', value)}
          />
          <NativeSelect
            label="Order"
            data={SORTS}
            value={search.sort ?? 'id'}
            onChange={(event) =>
              narrow('sort', event.currentTarget.value === 'id' ? '' : event.currentTarget.value)
            }
          />
        </Group>
      )}
      <ProblemAlert error={query.error} retry={() => query.refetch()} />
      {query.isPending && <Loading />}
      {query.data && items.length === 0 && !narrowed && (
        <Empty
          icon={Network}
          title="No integration yet"
          action={
            <Group gap="xs" justify="center">
              {actions}
              <Button component={Link} to="/configuration" variant="default">
                Import a file
              </Button>
            </Group>
          }
        >
          An integration is where a VPN gateway or other device asks whether somebody may log in. Create one,
          or import the authproxy.cfg you have.
        </Empty>
      )}
      {query.data && items.length === 0 && narrowed && (
        <Empty
          icon={Search}
          title="None matches"
          action={
            <Button
              variant="default"
              onClick={() => {
                void navigate({ to: '/integrations', search: {}, replace: true });
              }}
            >
              Show all
            </Button>
          }
        >
          No integration matches all of what is chosen above.
        </Empty>
      )}
      {items.length > 0 && (
        <>
          <Text size="sm" c="dimmed" aria-live="polite">
            {plural(total ?? items.length, 'integration')}
            {total !== undefined &&
              total !== null &&
              total > items.length &&
              `, ${count(items.length)} shown`}
          </Text>
          <StackedTable
            label="Integrations"
            columns={[
              'Name',
              'Mode',
              'Listens on',
              'Authenticator',
              'Second factor',
              'Clients',
              'When unreachable',
            ]}
          >
            {items.map((one) => (
              <Row key={one.id} one={one} />
            ))}
          </StackedTable>
          {query.hasNextPage && (
            <Button
              variant="default"
              loading={query.isFetchingNextPage}
              onClick={() => query.fetchNextPage()}
              style={{ alignSelf: 'center' }}
            >
              Show more
            </Button>
          )}
        </>
      )}
    </Page>
  );
}

function Row({ one }: { one: Integration }) {
  return (
    <Table.Tr>
      <Cell of="Name">
        <Anchor component={Link} to={`/integrations/${encodeURIComponent(one.id)}`} size="sm" fw={600}>
          {one.id}
        </Anchor>
      </Cell>
      <Cell of="Mode">{MODE_NAMES[one.mode] ?? one.mode}</Cell>
      <Cell of="Listens on">
        <span className="mono">
          {one.listen ? (one.listen.includes(':') ? `[${one.listen}]` : one.listen) : '*'}:{one.port}
        </span>
      </Cell>
      <Cell of="Authenticator">
        {one.authenticator ? (
          <Anchor component={Link} to={`/authenticators/${encodeURIComponent(one.authenticator)}`} size="sm">
            {one.authenticator}
          </Anchor>
        ) : (
          <Text size="sm" c="dimmed">
            none
          </Text>
        )}
      </Cell>
      <Cell of="Second factor">{isBuiltIn(one as unknown as Doc) ? 'built in' : one.application.host}</Cell>
      <Cell of="Clients">{count(one.clients.length)}</Cell>
      <Cell of="When unreachable">
        <Badge variant="light" color={one.fail_mode === 'secure' ? 'green' : 'orange'} tt="none">
          {one.fail_mode === 'secure' ? 'rejects' : 'lets in'}
        </Badge>
      </Cell>
    </Table.Tr>
  );
}

function Choice({
  label,
  value,
  names,
  change,
}: {
  label: string;
  value: string | undefined;
  names: Record<string, string>;
  change: (value: string) => void;
}) {
  return (
    <NativeSelect
      label={label}
      data={[
        { value: '', label: 'Any' },
        ...Object.entries(names).map(([name, shown]) => ({ value: name, label: shown })),
      ]}
      value={value ?? ''}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}
