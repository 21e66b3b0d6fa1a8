import { Anchor, Button, Group, NativeSelect, Table, Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Boxes, Plus, Search } from 'lucide-react';
import { api, ask } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { TextLink } from '@/components/links';
import { Loading, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Cell, StackedTable } from '@/components/stacked';
import { plural } from '@/lib/format';
import { KIND_NAMES } from './forms/authenticator-fields';
import { variantOf } from './forms/faults';
import { useReadOnly } from './forms/frame';
import { type Doc, get, isDoc } from './forms/path';

/** `dc1.example.com:636, dc2.example.com:636` */
export function hostsOf(doc: Doc): string {
  const kind = variantOf('authenticator', doc);
  const hosts = get(doc, `kind.${kind}.hosts`);
  return (Array.isArray(hosts) ? hosts : [])
    .filter(isDoc)
    .map(({ name, port }) => `${String(name)}:${String(port)}`)
    .join(', ');
}

export function AuthenticatorsPage() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const { readOnly, banner } = useReadOnly();
  const filter = {
    ...(search.q ? { q: search.q } : {}),
    ...(search.kind ? { kind: search.kind as 'ad' } : {}),
    ...(search.host ? { host: search.host } : {}),
  };
  const query = useQuery({
    queryKey: ['authenticators', 'list', filter],
    queryFn: () => ask(api.GET('/api/v1/authenticators', { params: { query: { ...filter, limit: 1000 } } })),
    placeholderData: keepPreviousData,
  });
  const { data: integrations } = useQuery(integrationsQuery);
  const narrow = (name: string, value: string) =>
    void navigate({
      to: '/authenticators',
      search: { ...search, [name]: value === '' ? undefined : value },
      replace: true,
    });
  const items = query.data?.items ?? [];
  const narrowed = Object.keys(filter).length > 0;
  const actions = !readOnly && (
    <Button component={Link} to="/authenticators/-/new" leftSection={<Plus size={16} aria-hidden />}>
      New authenticator
    </Button>
  );
  return (
    <Page
      title="Authenticators"
      lead="Who checks passwords: a directory, an upstream RADIUS server, or the device itself."
      actions={actions}
    >
      {banner}
      {(narrowed || items.length > 0) && (
        <Group gap="xs" align="flex-end">
          <Find
            label="Search"
            placeholder="Name"
            text={search.q ?? ''}
            found={(text) => narrow('q', text.trim())}
          />
          <NativeSelect
            label="Kind"
            data={[
              { value: '', label: 'Any' },
              ...Object.entries(KIND_NAMES).map(([value, label]) => ({ value, label })),
            ]}
            value={search.kind ?? ''}
            onChange={(event) => narrow('kind', event.currentTarget.value)}
          />
        </Group>
      )}
      <ProblemAlert error={query.error} retry={() => query.refetch()} />
      {query.isPending && <Loading />}
      {query.data && items.length === 0 && (
        <Empty
          icon={narrowed ? Search : Boxes}
          title={narrowed ? 'None matches' : 'No authenticator yet'}
          action={
            narrowed ? (
              <Button
                variant="default"
                onClick={() => {
                  void navigate({ to: '/authenticators', search: {}, replace: true });
                }}
              >
                Show all
              </Button>
            ) : (
              <Group gap="xs" justify="center">
                {actions}
                <Button component={Link} to="/configuration" variant="default">
                  Import a file
                </Button>
              </Group>
            )
          }
        >
          {narrowed
            ? 'No authenticator matches all of what is chosen above.'
            : 'An authenticator says who checks passwords before the second factor is asked. Create one, or import the authproxy.cfg you have.'}
        </Empty>
      )}
      {items.length > 0 && (
        <>
          <Text size="sm" c="dimmed" aria-live="polite">
            {plural(query.data?.total ?? items.length, 'authenticator')}
          </Text>
          <StackedTable label="Authenticators" columns={['Name', 'Kind', 'Servers', 'Used by']}>
            {items.map((one) => {
              const doc = one as unknown as Doc;
              const users = (integrations?.items ?? []).filter(
                ({ authenticator }) => authenticator === one.id,
              );
              return (
                <Table.Tr key={one.id}>
                  <Cell of="Name">
                    <Anchor
                      component={Link}
                      to={`/authenticators/${encodeURIComponent(one.id)}`}
                      size="sm"
                      fw={600}
                    >
                      {one.id}
                    </Anchor>
                  </Cell>
                  <Cell of="Kind">{KIND_NAMES[variantOf('authenticator', doc)]}</Cell>
                  <Cell of="Servers">
                    {hostsOf(doc) ? (
                      <span className="mono">{hostsOf(doc)}</span>
                    ) : (
                      <Text size="sm" c="dimmed">
                        none
                      </Text>
                    )}
                  </Cell>
                  <Cell of="Used by">
                    {users.length === 0 ? (
                      <Text size="sm" c="dimmed">
                        no integration
                      </Text>
                    ) : users.length > 5 ? (
                      <TextLink to="/integrations" search={{ authenticator: one.id }} size="sm">
                        {plural(users.length, 'integration')}
                      </TextLink>
                    ) : (
                      users.map(({ id }, index) => (
                        <span key={id}>
                          {index > 0 && ', '}
                          <Anchor component={Link} to={`/integrations/${encodeURIComponent(id)}`} size="sm">
                            {id}
                          </Anchor>
                        </span>
                      ))
                    )}
                  </Cell>
                </Table.Tr>
              );
            })}
          </StackedTable>
        </>
      )}
    </Page>
  );
}
