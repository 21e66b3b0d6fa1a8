/** Hardware tokens: taken in from a file, given to users, and taken back. */
import { Button, FileInput, Group, Stack, Table, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { FileUp, KeySquare } from 'lucide-react';
import { useEffect, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { FormModal } from '@/components/form-modal';
import { TextLink } from '@/components/links';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Actions, Cell, WholeCell } from '@/components/stacked';
import { plural } from '@/lib/format';
import { unlessGone } from '@/lib/gone';
import { useKept } from '@/lib/kept';
import { useSession } from '@/session';
import { List, useFilters } from './list';
import { ReadOn } from './more';
import { changed, tokensQuery } from './queries';
import { type Generator, Resync } from './resync';
import { type HardwareToken, KINDS, tokensFound } from './words';

const WHOSE = { free: 'nobody’s', given: 'given to somebody' };

export function TokensTab() {
  const { search } = useFilters();
  const { may } = useSession();
  const query = useInfiniteQuery(tokensQuery);
  const [importing, file] = useDisclosure();
  const [given, setGiven] = useState<HardwareToken | null>(null);
  const [lost, setLost] = useState<Generator | null>(null);
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const show = search.show === 'free' || search.show === 'given' ? search.show : undefined;
  const add = may('admin') && (
    <Button onClick={file.open} leftSection={<FileUp size={16} aria-hidden />}>
      Import tokens
    </Button>
  );

  return (
    <Stack gap="sm">
      <ProblemAlert error={query.error} retry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data && items.length === 0 && (
        <Empty icon={KeySquare} title="No hardware tokens yet" action={add}>
          The maker of tokens sends a file with their serial numbers and secrets: take it in here, then give
          each token to a user.
          {!may('admin') && ' That is for administrators.'}
        </Empty>
      )}
      {items.length > 0 && (
        <>
          {add && <Group justify="flex-end">{add}</Group>}
          <List
            noun="token"
            label="Hardware tokens"
            placeholder="Serial number or user"
            choice={{ name: 'show', label: 'Show', value: show, words: WHOSE }}
            all={items.length}
            found={tokensFound(items, search.q ?? '', show)}
            isPart={query.hasNextPage}
            notes={
              query.hasNextPage && (
                <ReadOn
                  said="There are more tokens than are listed: these are the first by serial number."
                  more
                  busy={query.isFetchingNextPage}
                  read={async () => (await query.fetchNextPage()).hasNextPage}
                />
              )
            }
            head={
              <>
                <Table.Th>Serial number</Table.Th>
                <Table.Th>Kind</Table.Th>
                <Table.Th>Whose</Table.Th>
              </>
            }
            row={(token, gone) => (
              <Row
                key={token.serial}
                token={token}
                gone={gone}
                assign={() => setGiven(token)}
                find={(user) => setLost({ user, id: token.id, kind: token.kind, name: token.serial })}
              />
            )}
          />
        </>
      )}
      <ImportTokens opened={importing} close={file.close} />
      <Assign token={given} close={() => setGiven(null)} />
      <Resync generator={lost} close={() => setLost(null)} />
    </Stack>
  );
}

function Row({
  token,
  gone,
  assign,
  find,
}: {
  token: HardwareToken;
  gone: () => void;
  assign: () => void;
  /** Finds it again, whoever has it. */
  find: (user: string) => void;
}) {
  const { may } = useSession();
  const { user } = token;
  const client = useQueryClient();
  const confirm = useConfirm();
  const path = { serial: token.serial };

  const takeBack = () =>
    confirm({
      title: `Take ${token.serial} back from ${token.user}?`,
      body: `Its passcodes let ${token.user} in no more. It can be given to somebody else.`,
      confirm: `Take ${token.serial} back`,
      danger: true,
      action: async () => {
        await ask(api.POST('/api/v1/second-factor/tokens/{serial}/unassign', { params: { path } }));
        await changed(client);
        notifications.show({ message: `${token.serial} is nobody’s now.` });
        gone();
      },
    });
  const remove = () =>
    confirm({
      title: `Delete ${token.serial}?`,
      body: 'Its secret is forgotten. To use it again, import it again.',
      confirm: `Delete ${token.serial}`,
      danger: true,
      action: async () => {
        await ask(api.DELETE('/api/v1/second-factor/tokens/{serial}', { params: { path } })).catch(
          unlessGone,
        );
        await changed(client);
        notifications.show({ message: `${token.serial} is deleted.` });
        gone();
      },
    });

  return (
    <Table.Tr>
      <WholeCell>
        <Text size="sm" fw={600} className="mono wrap">
          {token.serial}
        </Text>
      </WholeCell>
      <Cell of="Kind">
        {KINDS[token.kind].word}, {token.digits} digits
      </Cell>
      <Cell of="Whose">
        {token.user ? (
          <TextLink to="/second-factor/users/$name" params={{ name: token.user }} size="sm" className="wrap">
            {token.user}
          </TextLink>
        ) : (
          <Text size="sm" c="dimmed">
            nobody’s
          </Text>
        )}
      </Cell>
      <Actions>
        {may('admin') && (
          <Group gap="xs" justify="flex-end">
            {user ? (
              <>
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={() => find(user)}
                  aria-label={`Find ${token.serial} again`}
                >
                  Find again
                </Button>
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={takeBack}
                  aria-label={`Take ${token.serial} back`}
                >
                  Take back
                </Button>
              </>
            ) : (
              <>
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={assign}
                  aria-label={`Give ${token.serial} to a user`}
                >
                  Give to a user
                </Button>
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={remove}
                  aria-label={`Delete ${token.serial}`}
                >
                  Delete
                </Button>
              </>
            )}
          </Group>
        )}
      </Actions>
    </Table.Tr>
  );
}

function Assign({ token, close }: { token: HardwareToken | null; close: () => void }) {
  const client = useQueryClient();
  const [user, setUser] = useState('');
  const serial = useKept(token)?.serial ?? '';
  useEffect(() => {
    if (!token) return;
    setUser('');
  }, [token]);
  const give = async () => {
    await ask(
      api.POST('/api/v1/second-factor/tokens/{serial}/assign', {
        params: { path: { serial } },
        body: { user: user.trim() },
      }),
    );
    await changed(client);
    notifications.show({ message: `${serial} is ${user.trim()}’s now.` });
    return true;
  };
  return (
    <FormModal
      opened={token !== null}
      close={close}
      title={`Give ${serial} to a user`}
      submit="Give it"
      ready={user.trim() !== ''}
      send={give}
    >
      <TextInput
        label="User"
        description="The name they log in with."
        value={user}
        onChange={(event) => setUser(event.currentTarget.value)}
        autoComplete="off"
        spellCheck={false}
        data-autofocus
      />
    </FormModal>
  );
}

function ImportTokens({ opened, close }: { opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const [file, setFile] = useState<File | null>(null);
  const [seen, setSeen] = useState<Schemas['ImportedTokens'] | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another file has another answer
  useEffect(() => {
    setSeen(null);
  }, [opened, file]);
  useEffect(() => {
    if (!opened) setFile(null);
  }, [opened]);
  const possible = seen !== null && seen.refused.length === 0 && seen.created > 0;

  const go = async (dry_run: boolean) => {
    const csv = (await file?.text()) ?? '';
    const answer = await ask(
      api.POST('/api/v1/second-factor/tokens', { params: { query: { dry_run } }, body: { csv } }),
    );
    setSeen(answer);
    if (answer.done) {
      await changed(client);
      notifications.show({ message: `${plural(answer.created, 'token')} taken in.` });
    }
    return answer.done;
  };
  return (
    <FormModal
      opened={opened}
      close={close}
      title="Import hardware tokens"
      size="lg"
      submit={possible ? `Take in ${plural(seen.created, 'token')}` : 'See what would change'}
      ready={file !== null}
      asked={file}
      send={() => go(!possible)}
    >
      <FileInput
        label="File"
        description="CSV, UTF-8, at most 4 MiB. The first line names the columns: serial and secret (hexadecimal, or base32 after base32:), and any of kind (hotp, or totp), digits, algorithm, period, counter and username. Delete the file afterwards: it has secrets."
        placeholder="Choose a file"
        accept=".csv,text/csv,text/plain"
        value={file}
        onChange={setFile}
        clearable
        clearButtonProps={{ 'aria-label': 'Choose no file' }}
      />
      {seen && (
        <Text size="sm" fw={600} role="status">
          {seen.refused.length > 0
            ? `Nothing is taken in: ${plural(seen.refused.length, 'line is', 'lines are')} not possible.`
            : `${plural(seen.created, 'new token')}, ${seen.assigned} of them somebody’s.`}
        </Text>
      )}
      {seen && seen.refused.length > 0 && (
        <Stack gap={2} component="ul" m={0} pl="md">
          {seen.refused.slice(0, 50).map(({ line, serial, why }) => (
            <Text size="sm" key={line} component="li" className="wrap">
              Line {line}
              {serial && `, ${serial}`}: {why}
            </Text>
          ))}
        </Stack>
      )}
    </FormModal>
  );
}
