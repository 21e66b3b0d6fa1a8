import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Group,
  List,
  Modal,
  Pagination,
  Stack,
  Table,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { Pencil, Plus, Search, Trash2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { plural } from '@/lib/format';
import { readClients } from './client-lines';
import { isAt } from './faults';
import { keepFocus } from './focus';
import { helpOf } from './help';
import { Cards, Description, nameOf } from './inputs';
import { CLIENT_FIELDS } from './integration-fields';
import { type Doc, get, isDoc, isMask, type Json, same } from './path';
import { SecretField } from './secret';
import { useForm } from './state';

const PAGE = 25;

const POLICY: Record<string, { name: string; colour: string }> = {
  auto: { name: 'automatic', colour: 'gray' },
  require: { name: 'required', colour: 'green' },
  off: { name: 'off', colour: 'orange' },
};

/** The clients of an integration: what is done here stands in the form, and is written with the rest of it. */
export function ClientsTable() {
  const form = useForm();
  const [search, setSearch] = useState('');
  const [page, setPage] = useState(1);
  const [editing, setEditing] = useState<number | 'new' | null>(null);
  const [pasting, setPasting] = useState(false);
  const value = form.at('clients');
  const all = useMemo(() => (Array.isArray(value) ? value : []).filter(isDoc), [value]);
  const before = useMemo(() => {
    const was = get(form.base.doc, 'clients');
    return new Map((Array.isArray(was) ? was : []).filter(isDoc).map((one) => [one.address, one]));
  }, [form.base.doc]);
  const faulty = useMemo(() => {
    const places = new Map<number, string>();
    for (const { path, message } of form.faults) {
      const index = /^clients\[(\d+)\]/.exec(path)?.[1];
      if (index !== undefined) places.set(Number(index), message);
    }
    return places;
  }, [form.faults]);
  const found = all
    .map((client, index) => ({ client, index }))
    .filter(({ client }) => String(client.address).toLowerCase().includes(search.trim().toLowerCase()))
    // What is wrong comes first, wherever it is.
    .sort((a, b) => Number(faulty.has(b.index)) - Number(faulty.has(a.index)));
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  const at = Math.min(page, pages);
  const write = (next: Json[]) => form.change('clients', next);
  // What was added is at the end.
  const showLast = (count: number) => {
    setSearch('');
    setPage(Math.ceil(count / PAGE));
  };
  const own = form.faults.find(({ path }) => path === 'clients')?.message;
  const removed = [...before.keys()].filter((address) => !all.some((one) => one.address === address)).length;

  return (
    <Stack gap="sm" data-list>
      <Group justify="space-between" gap="xs">
        <Text size="sm" component="div">
          {plural(all.length, 'client')}
          {removed > 0 && `, ${removed} to be removed`}
        </Text>
        {!form.readOnly && (
          <Group gap="xs">
            <Button size="compact-sm" variant="default" onClick={() => setPasting(true)}>
              Paste many
            </Button>
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<Plus size={14} aria-hidden />}
              data-add
              onClick={() => setEditing('new')}
            >
              Add a client
            </Button>
          </Group>
        )}
      </Group>
      {own && (
        <Text size="sm" c="red" role="alert">
          {own}
        </Text>
      )}
      {(all.length > PAGE || search !== '') && (
        <TextInput
          aria-label="Find a client by its address"
          placeholder="Find an address"
          leftSection={<Search size={16} aria-hidden />}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            setPage(1);
          }}
          maw={320}
        />
      )}
      {all.length > 0 && found.length === 0 && (
        <Text size="sm" c="dimmed">
          No client has that in its address.
        </Text>
      )}
      {found.length > 0 && (
        <Table.ScrollContainer minWidth={0}>
          <Table verticalSpacing={6} aria-label="Clients">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Address</Table.Th>
                <Table.Th visibleFrom="xs">Secret</Table.Th>
                <Table.Th>Message-Authenticator</Table.Th>
                <Table.Th>
                  <span aria-hidden />
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.slice((at - 1) * PAGE, at * PAGE).map(({ client, index }) => (
                <Row
                  key={`${String(client.address)} ${index}`}
                  client={client}
                  state={
                    before.has(client.address)
                      ? same(before.get(client.address), client)
                        ? null
                        : 'changed'
                      : 'new'
                  }
                  fault={faulty.get(index)}
                  readOnly={form.readOnly}
                  edit={() => setEditing(index)}
                  remove={() => write(all.toSpliced(index, 1))}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {pages > 1 && (
        <Pagination
          total={pages}
          value={at}
          onChange={setPage}
          size="sm"
          getControlProps={(control) => ({
            'aria-label': {
              first: 'First page',
              last: 'Last page',
              next: 'Next page',
              previous: 'Previous page',
            }[control],
          })}
        />
      )}
      {editing !== null && (
        <ClientModal
          client={editing === 'new' ? null : (all[editing] ?? null)}
          index={editing === 'new' ? all.length : editing}
          mask={editing === 'new' ? undefined : before.get(all[editing]?.address)?.secret}
          taken={new Set(all.filter((_, index) => index !== editing).map((one) => String(one.address)))}
          close={() => setEditing(null)}
          save={(client) => {
            write(editing === 'new' ? [...all, client] : all.with(editing, client));
            setEditing(null);
            if (editing === 'new') showLast(all.length + 1);
          }}
        />
      )}
      {pasting && (
        <PasteModal
          taken={new Set(all.map((one) => String(one.address)))}
          close={() => setPasting(false)}
          save={(clients) => {
            write([...all, ...clients]);
            setPasting(false);
            showLast(all.length + clients.length);
          }}
        />
      )}
    </Stack>
  );
}

function Row({
  client,
  state,
  fault,
  readOnly,
  edit,
  remove,
}: {
  client: Doc;
  state: 'new' | 'changed' | null;
  fault: string | undefined;
  readOnly: boolean;
  edit: () => void;
  remove: () => void;
}) {
  const policy = POLICY[String(client.message_authenticator ?? 'auto')];
  const address = String(client.address);
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap={6}>
          <span className="mono wrap">{address}</span>
          {state && (
            <Badge size="sm" variant="light" color={state === 'new' ? 'green' : 'blue'} tt="none">
              {state}
            </Badge>
          )}
        </Group>
        {fault && (
          <Text size="xs" c="red" className="wrap" role="alert">
            {fault}
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="xs">
        <span className="mono">
          {isMask(client.secret)
            ? `${client.secret.fingerprint.slice(0, 8)}…`
            : client.secret
              ? 'new one'
              : 'none yet'}
        </span>
      </Table.Td>
      <Table.Td>
        <Badge variant="light" color={policy?.colour} tt="none">
          {policy?.name}
        </Badge>
      </Table.Td>
      <Table.Td>
        {!readOnly && (
          <Group gap={4} justify="flex-end" wrap="nowrap">
            <ActionIcon variant="subtle" aria-label={`Change ${address}`} onClick={edit}>
              <Pencil size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="red"
              aria-label={`Remove ${address}`}
              data-remove
              onClick={(event) => {
                keepFocus(event.currentTarget);
                remove();
              }}
            >
              <Trash2 size={16} aria-hidden />
            </ActionIcon>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function ClientModal({
  client,
  index,
  mask,
  taken,
  close,
  save,
}: {
  client: Doc | null;
  index: number;
  mask: Json;
  taken: ReadonlySet<string>;
  close: () => void;
  save: (client: Doc) => void;
}) {
  const form = useForm();
  const [draft, setDraft] = useState<Doc>(
    client ?? { address: '', secret: '', message_authenticator: 'auto' },
  );
  const [error, setError] = useState<string | null>(null);
  const [address, secret, policy] = CLIENT_FIELDS;
  if (!address || !secret || !policy) return null;
  const help = (path: string) => helpOf('integration', form.variant, path);
  const faultAt = (name: string) =>
    form.faults.find(({ path }) => isAt(path, `clients[${index}].${name}`))?.message ?? null;
  const change = (name: string, value: Json) => setDraft((known) => ({ ...known, [name]: value }));
  const submit = () => {
    const wanted = String(draft.address).trim();
    if (wanted === '') return setError('An address is needed.');
    if (taken.has(wanted)) return setError(`${wanted} is there already.`);
    save({ ...draft, address: wanted });
  };
  const policyHelp = help(policy.path);
  return (
    <Modal
      opened
      onClose={close}
      title={client ? `Client ${String(client.address)}` : 'New client'}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          // It stands in a portal, but React hands the event on to the form around it.
          event.stopPropagation();
          submit();
        }}
      >
        <Stack gap="md">
          <TextInput
            label={address.label}
            description={<Description help={help(address.path)} />}
            placeholder={address.placeholder}
            value={String(draft.address)}
            onChange={(event) => {
              change('address', event.currentTarget.value);
              setError(null);
            }}
            error={error ?? faultAt('address')}
            data-autofocus
            autoComplete="off"
            spellCheck={false}
          />
          <SecretField
            label={secret.label}
            description={<Description help={help(secret.path)} />}
            error={faultAt('secret')}
            value={draft.secret}
            mask={mask}
            onChange={(next) => change('secret', next)}
            readOnly={false}
            made
          />
          <Cards
            label={policy.label}
            description={
              <Description
                help={policyHelp}
                more="Without it, answers can be forged on the way (CVE-2024-3596): require it of every device that sends it."
              />
            }
            error={faultAt('message_authenticator')}
            words={policyHelp.words.map((word) => ({ ...word, name: nameOf(policy, word.value) }))}
            value={String(draft.message_authenticator ?? 'auto')}
            onChange={(next) => change('message_authenticator', next)}
          />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit">{client ? 'Done' : 'Add'}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function PasteModal({
  taken,
  close,
  save,
}: {
  taken: ReadonlySet<string>;
  close: () => void;
  save: (clients: Doc[]) => void;
}) {
  const [text, setText] = useState('');
  const read = useMemo(() => readClients(text, taken), [text, taken]);
  return (
    <Modal
      opened
      onClose={close}
      title="Paste clients"
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Stack gap="sm">
        <Textarea
          label="Clients"
          description="One per line: an address and its secret, separated by a space or a comma. Lines that begin with # are ignored."
          placeholder={'192.0.2.10 a-long-shared-secret\n192.0.2.0/24, another-one'}
          autosize
          minRows={6}
          maxRows={16}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          data-autofocus
          spellCheck={false}
          autoComplete="off"
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: '0.85rem' } }}
        />
        {read.faults.length > 0 && (
          <Alert color="red" title={`${plural(read.faults.length, 'line')} cannot be read`}>
            <List size="sm">
              {read.faults.slice(0, 10).map(({ line, message }) => (
                <List.Item key={line} className="wrap">
                  Line {line}: {message}
                </List.Item>
              ))}
            </List>
          </Alert>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button
            disabled={read.clients.length === 0 || read.faults.length > 0}
            onClick={() => save(read.clients.map((one) => ({ ...one, message_authenticator: 'auto' })))}
          >
            Add {plural(read.clients.length, 'client')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
