/** A node of another machine: its token, what is typed there, and whether it has come. */
import {
  Alert,
  Button,
  Group,
  Loader,
  Modal,
  NativeSelect,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { nodesQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { CopyBlock } from '@/components/copy';
import { TextLink } from '@/components/links';
import { ProblemAlert } from '@/components/problem';
import { Actions, Cell, StackedTable } from '@/components/stacked';
import { Time } from '@/components/time';
import { faultsOf } from '@/lib/faults';
import { isOwn, joinAddress, joinCommand, nameFault } from './words';

type Made = Schemas['JoinTokenMade'];

const SPANS = [
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '1 day' },
  { value: '604800', label: '7 days' },
];

export function JoinModal({ opened, close }: { opened: boolean; close: () => void }) {
  const [shown, setShown] = useState(false);
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Add a node on another machine"
      size="lg"
      // What is shown is shown once: neither a click beside it nor Escape must lose it.
      closeOnClickOutside={false}
      closeOnEscape={!shown}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Join close={close} onShown={setShown} />
    </Modal>
  );
}

function Join({ close, onShown }: { close: () => void; onShown: (shown: boolean) => void }) {
  const client = useQueryClient();
  const nodes = useQuery(nodesQuery);
  const [name, setName] = useState('');
  const [span, setSpan] = useState('3600');
  const [made, setMade] = useState<{ token: Made; before: string[] } | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const taken = nodes.data?.items.some(({ node }) => node === name) ?? false;
  const fault = nameFault(name);
  const isMade = made !== null;
  useEffect(() => {
    onShown(isMade);
    return () => onShown(false);
  }, [isMade, onShown]);

  if (made) return <Made {...made} close={close} />;
  const make = async () => {
    setBusy(true);
    setError(null);
    try {
      const token = await ask(
        api.POST('/api/v1/join-tokens', {
          body: { node: name === '' ? null : name, seconds: Number(span) },
        }),
      );
      await client.invalidateQueries({ queryKey: ['join-tokens'] });
      const before = nodes.data?.items.map(({ node }) => node).filter((node) => node !== name) ?? [];
      if ('token' in token) setMade({ token, before });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const { at, rest } = faultsOf(error, (path) => path === 'node');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!fault) void make();
      }}
    >
      <Stack gap="sm">
        <Text size="sm">
          It answers RADIUS where it stands, with the same configuration. You get a token for it: it works
          once, and is shown once.
        </Text>
        <TextInput
          label="Its name"
          description={
            taken
              ? `There is a node ${name}. The new one takes its place, and what it had is revoked.`
              : 'Empty: the token is for any name that is free, and the name is given on the new machine.'
          }
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={fault ?? at.node}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-autofocus
        />
        <NativeSelect
          label="The token is good for"
          value={span}
          onChange={(event) => setSpan(event.currentTarget.value)}
          data={SPANS}
        />
        <ProblemAlert error={rest} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={fault !== null}>
            Create the token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ token, before, close }: { token: Made; before: string[]; close: () => void }) {
  const [address, setAddress] = useState(
    token.listens ? joinAddress(token.listens, globalThis.location.hostname) : 'https://HOST:8403',
  );
  const [name, setName] = useState(token.node ?? '');
  const nodes = useQuery({ ...nodesQuery, refetchInterval: 1_000 });
  const come = nodes.data?.items.find(
    ({ node, connected, certificate_until_ms }) =>
      connected &&
      certificate_until_ms != null &&
      !before.includes(node) &&
      (!token.node || node === token.node),
  );
  // The form before it had the focus, and is gone.
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <Stack gap="sm" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      {!token.listens && (
        <Alert color="orange" title="The control plane does not listen for nodes yet" role="alert">
          <Text size="sm" className="wrap">
            Start it with <code>--node-listen ADDRESS:8403</code>, or set <code>COUNTERSIGN_NODE_LISTEN</code>
            , with an address that the new machine reaches. The token stays good over the restart.
          </Text>
        </Alert>
      )}
      <TextInput
        label="Where the new machine reaches this control plane"
        value={address}
        onChange={(event) => setAddress(event.currentTarget.value)}
        spellCheck={false}
      />
      <div aria-live="polite">
        {token.listens && isOwn(address) && (
          <Alert color="orange" title="Another machine does not reach this address">
            <Text size="sm" className="wrap">
              At it each machine reaches itself. Type the name or the address that this one has for others; if
              the control plane listens at {token.listens} alone, start it with{' '}
              <code>--node-listen ADDRESS:{portOf(token.listens)}</code> first. A second node on this very
              machine can use it as it is.
            </Text>
          </Alert>
        )}
      </div>
      {!token.node && (
        <TextInput
          label="Name of the node"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={nameFault(name)}
          placeholder="edge-2"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
      <Text size="sm">
        On the new machine, as the user that the node runs as. The token is shown here and never again;
        whoever is first to use it gets the whole configuration with its secrets. It is good until{' '}
        <Time ms={token.expires_at_ms} />.
      </Text>
      <CopyBlock
        label="Command to join"
        text={joinCommand(address, token.token, token.node ? '' : name || 'NAME')}
      />
      <Text size="sm">
        Then start it, best as a service. With <code>--interface</code> it listens on an address of its own,
        whatever the integrations say.
      </Text>
      <CopyBlock label="Command to start" text="countersign dataplane" />
      <div aria-live="polite">
        {come ? (
          <Alert color="green" icon={<CircleCheck size={18} aria-hidden />} title={`${come.node} has joined`}>
            <Text size="sm">
              {come.applied == null ? 'It fetches the configuration.' : `It serves revision ${come.applied}.`}{' '}
              <TextLink
                underline="always"
                to="/nodes/$node"
                params={{ node: come.node }}
                size="sm"
                onClick={close}
              >
                Show {come.node}
              </TextLink>
            </Text>
          </Alert>
        ) : (
          <Group gap="xs">
            <Loader size="xs" aria-hidden />
            <Text size="sm">
              Waiting until {token.node ?? 'the node'} is connected. You need not wait for it.
            </Text>
          </Group>
        )}
      </div>
      <Group justify="flex-end">
        <Button onClick={close}>Done</Button>
      </Group>
    </Stack>
  );
}

function portOf(listens: string): string {
  return listens.slice(listens.lastIndexOf(':') + 1);
}

const tokensQuery = {
  queryKey: ['join-tokens'] as const,
  queryFn: () => ask(api.GET('/api/v1/join-tokens', { params: { query: { limit: 100 } } })),
  refetchInterval: 10_000,
};

/** The tokens that nobody has used yet. */
export function WaitingTokens() {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { data, error } = useQuery(tokensQuery);
  if (error) return <ProblemAlert error={error} />;
  if (!data || data.items.length === 0) return null;
  return (
    <section aria-labelledby="waiting-tokens">
      <Title order={2} id="waiting-tokens" mb="xs">
        Tokens that wait to be used
      </Title>
      <StackedTable label="Tokens that wait to be used" columns={['For', 'Good until']} actions>
        {data.items.map(({ id, node, expires_at_ms }) => (
          <Table.Tr key={id}>
            <Cell of="For">
              {node ?? 'any free name'}
              <Text size="xs" c="dimmed" className="mono">
                {id}
              </Text>
            </Cell>
            <Cell of="Good until">
              <Time ms={expires_at_ms} form="relative" />
            </Cell>
            <Actions>
              <Button
                size="compact-sm"
                variant="default"
                aria-label={`Take back the token ${id}`}
                onClick={() =>
                  confirm({
                    title: `Take back the token for ${node ?? 'any free name'}?`,
                    body: `${id} can no longer be used to join.`,
                    confirm: 'Take it back',
                    danger: true,
                    action: async () => {
                      await ask(api.DELETE('/api/v1/join-tokens/{id}', { params: { path: { id } } }));
                      notifications.show({ message: 'The token is taken back.' });
                      await client.invalidateQueries({ queryKey: ['join-tokens'] });
                    },
                  })
                }
              >
                Take back
              </Button>
            </Actions>
          </Table.Tr>
        ))}
      </StackedTable>
    </section>
  );
}
