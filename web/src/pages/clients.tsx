import {
  Alert,
  Badge,
  Button,
  Group,
  List,
  NativeSelect,
  SegmentedControl,
  Stack,
  Text,
} from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Info, Network, SearchX } from 'lucide-react';
import { api, ask, type Schemas } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { TextLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { Time, useNow } from '@/components/time';
import { plural } from '@/lib/format';
import classes from './clients/clients.module.css';
import { KINDS, nextOf, queryOf, SORTS } from './clients/words';

type ClientSeen = Schemas['ClientSeen'];
type Part = Partial<Record<'unsigned' | 'integration' | 'q' | 'sort' | 'cursor', string>>;

const BLAST_RADIUS = 'CVE-2024-3596, “Blast-RADIUS”';

export function SeenClientsPage() {
  const search = useSearch({ from: '/shell/clients' });
  const navigate = useNavigate({ from: '/clients' });
  const wanted = queryOf(search);
  const query = useQuery({
    queryKey: ['clients-seen', wanted],
    queryFn: () => ask(api.GET('/api/v1/clients/seen', { params: { query: wanted } })),
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
  });
  const integrations = useQuery(integrationsQuery).data?.items ?? [];
  const filtered = Boolean(search.unsigned || search.integration || search.q || search.cursor);

  // Another filter begins with its first page.
  const set = (part: Part) =>
    void navigate({
      search: (before) => {
        const after: Record<string, string | undefined> = { ...before, cursor: undefined, ...part };
        for (const [name, value] of Object.entries(after)) if (!value) delete after[name];
        return after;
      },
      replace: part.q !== undefined,
      resetScroll: false,
    });

  return (
    <Page
      title="Clients seen"
      lead="The addresses that sent logins in the last 90 days, and whether a Message-Authenticator can be required of them. An unsigned request does not prove who sent it: somebody on the network may have forged it, using a client’s address."
    >
      <WhatToDo />
      <Group gap="sm" align="flex-end">
        <SegmentedControl
          aria-label="Which clients"
          value={search.unsigned === 'true' || search.unsigned === 'false' ? search.unsigned : 'all'}
          onChange={(value) => set({ unsigned: value === 'all' ? '' : value })}
          data={[...KINDS]}
        />
        <NativeSelect
          label="Integration"
          value={search.integration ?? ''}
          onChange={(event) => set({ integration: event.currentTarget.value })}
          data={[{ value: '', label: 'All' }, ...named(integrations, search.integration)]}
        />
        <Find
          label="Contains"
          placeholder="Address, integration"
          text={search.q ?? ''}
          found={(q) => set({ q })}
        />
        <NativeSelect
          label="Order"
          value={wanted.sort}
          onChange={(event) => set({ sort: event.currentTarget.value })}
          data={[...SORTS]}
        />
      </Group>
      <Loaded query={query}>
        {({ items, next, total }) =>
          items.length === 0 ? (
            filtered ? (
              <Empty
                icon={SearchX}
                title={
                  search.unsigned === 'true' && !search.q && !search.integration && !search.cursor
                    ? 'Every client that was seen is ready'
                    : 'No client matches'
                }
                action={
                  <Button variant="default" onClick={() => set({ unsigned: '', integration: '', q: '' })}>
                    Show all
                  </Button>
                }
              />
            ) : (
              <Empty
                icon={Network}
                title="No client has been seen yet"
                action={
                  <TextLink underline="always" to="/integrations">
                    To the integrations
                  </TextLink>
                }
              >
                A device appears here as soon as it sends a login. Each integration shows the settings to
                enter on the device.
              </Empty>
            )
          ) : (
            <Stack gap="sm">
              <Text size="sm" aria-live="polite">
                {plural(total, 'client')}
              </Text>
              <ul className={classes.list} aria-label="Clients">
                {items.map((seen) => (
                  <Row key={`${seen.integration} ${seen.address}`} seen={seen} integrations={integrations} />
                ))}
              </ul>
              <Group gap="xs">
                {search.cursor && (
                  <Button variant="default" onClick={() => set({ cursor: '' })}>
                    First page
                  </Button>
                )}
                {next && (
                  <Button variant="default" onClick={() => set({ cursor: next })}>
                    Next page
                  </Button>
                )}
              </Group>
            </Stack>
          )
        }
      </Loaded>
    </Page>
  );
}

/** Those that there are, and one that is asked for though it is gone: what it was sent is known still. */
function named(integrations: Schemas['Integration'][], wanted: string | undefined) {
  const names = integrations.map(({ id }) => id);
  if (wanted && !names.includes(wanted)) names.push(wanted);
  return names.map((id) => ({ value: id, label: id }));
}

function WhatToDo() {
  return (
    <Alert color="blue" icon={<Info size={18} aria-hidden />} title="Why, and what to do" role="note">
      <Text size="sm" className="wrap">
        Without a Message-Authenticator, somebody between a device and the gateway can turn a reject into an
        accept ({BLAST_RADIUS}). Countersign signs every answer; the devices have to do their part.
      </Text>
      <List size="sm" type="ordered" mt={4}>
        <List.Item>
          On the device, turn on sending a Message-Authenticator and requiring one in answers. That often
          needs newer software; the setting may be called “require message authenticator” or “Blast-RADIUS
          protection”.
        </List.Item>
        <List.Item>Wait here until it is ready: 7 days without an unsigned request.</List.Item>
        <List.Item>
          Then make it a rule: set <code>message_authenticator</code> of the client to <code>require</code> at
          its integration. From then on unsigned requests are dropped. Are all clients of an integration
          ready? Then <code>force_message_authenticator</code> does it for all of them.
        </List.Item>
      </List>
    </Alert>
  );
}

function Row({ seen, integrations }: { seen: ClientSeen; integrations: Schemas['Integration'][] }) {
  const now = useNow(60_000);
  const next = nextOf(seen, integrations, now);
  return (
    <li className={classes.row}>
      <div>
        <Text fw={600} className="mono wrap">
          {seen.address}
        </Text>
        <Text size="sm" className="wrap">
          <TextLink underline="always" to="/integrations/$id" params={{ id: seen.integration }}>
            {seen.integration}
          </TextLink>
        </Text>
      </div>
      <div>
        <Badge variant="light" color={next.colour} tt="none">
          {next.word}
        </Badge>
      </div>
      <Text size="sm" c="dimmed" component="div">
        <div>
          signed: {seen.last_signed_ms === null ? 'never' : <Time ms={seen.last_signed_ms} form="relative" />}
        </div>
        <div>
          unsigned:{' '}
          {seen.last_unsigned_ms === null ? 'never' : <Time ms={seen.last_unsigned_ms} form="relative" />}
        </div>
      </Text>
      <Text size="sm" className="wrap">
        {next.text}{' '}
        {next.state === 'ready' && (
          <TextLink underline="always" to="/integrations/$id" params={{ id: seen.integration }} size="sm">
            To integration {seen.integration}
          </TextLink>
        )}{' '}
        <TextLink
          underline="always"
          to="/logins"
          search={{ client: seen.address, integration: seen.integration }}
          size="sm"
        >
          Its logins
        </TextLink>
      </Text>
    </li>
  );
}
