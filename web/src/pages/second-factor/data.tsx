/** What the pages of the second factor read, and the deeds that more than one of them has. */
import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type QueryClient, queryOptions, useQueryClient } from '@tanstack/react-query';
import { ApiError, api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { FAILURES_TO_LOCK, goesWith, STATUSES, type Status, type User } from './words';

const KEY = 'second-factor';
const A_PAGE = 500;
/** Pages that are read: whoever is behind them is opened by name. */
const PAGES = 20;

export interface Users {
  items: User[];
  /** Whether there are more than were read. */
  more: boolean;
}

export const usersQuery = queryOptions({
  queryKey: [KEY, 'users'],
  queryFn: async ({ signal }): Promise<Users> => {
    const items: User[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; page < PAGES; page += 1) {
      const query = cursor ? { limit: A_PAGE, cursor } : { limit: A_PAGE };
      const part = await ask(api.GET('/api/v1/second-factor/users', { params: { query }, signal }));
      items.push(...part.items);
      cursor = part.next;
      if (!cursor) return { items, more: false };
    }
    return { items, more: true };
  },
  // Wrong passcodes and codes that were used show by themselves, where that is one question.
  refetchInterval: ({ state }) => {
    if (!state.data) return isNotUsed(state.error) ? false : 10_000;
    return state.data.items.length < A_PAGE ? 5_000 : 60_000;
  },
});

/** The user of a name; null where there is none. */
export const userQuery = (name: string) =>
  queryOptions({
    queryKey: [KEY, 'user', name],
    // That there is none is an answer and no failure: what somebody does about it is not interrupted.
    queryFn: async (): Promise<User | null> => {
      try {
        const path = { name };
        return await ask(api.GET('/api/v1/second-factor/users/{name}', { params: { path } }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    refetchInterval: ({ state }) => (isNotUsed(state.error) ? false : 5_000),
  });

/** Pushes come and go within a minute: asked each second while somebody looks. */
export const approvalsQuery = queryOptions({
  queryKey: [KEY, 'approvals'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/approvals')),
  refetchInterval: ({ state }) => (state.data ? 1_000 : 10_000),
  staleTime: 500,
});

/** Whether an error says that no integration uses the built-in second factor. */
export function isNotUsed(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409;
}

/** Everything here is read again. */
export function changed(client: QueryClient): Promise<void> {
  return client.invalidateQueries({ queryKey: [KEY] });
}

/** Shows a user as the gateway gave it, or as it is about to, wherever it is shown. */
function put(client: QueryClient, user: User): void {
  client.setQueryData<Users>(
    usersQuery.queryKey,
    (users) => users && { ...users, items: users.items.map((one) => (one.id === user.id ? user : one)) },
  );
  client.setQueriesData<User | null>({ queryKey: [KEY, 'user'] }, (one) =>
    one?.id === user.id ? user : one,
  );
}

export function tellFailure(what: string, error: unknown): void {
  const known = error instanceof ApiError ? error : null;
  notifications.show({
    color: 'red',
    title: what,
    autoClose: 15_000,
    message: (
      <>
        <Text size="sm" className="wrap">
          {known ? known.problem.detail : String(error)}
        </Text>
        {known?.requestId && (
          <Text size="xs">
            Request <span className="mono">{known.requestId}</span>
          </Text>
        )}
      </>
    ),
  });
}

/** Says what was done, with a way back. */
export function tellWithUndo(message: string, undo: () => Promise<unknown>): void {
  const id = notifications.show({
    autoClose: 12_000,
    message: (
      <Group justify="space-between" gap="sm" wrap="nowrap">
        <Text size="sm" className="wrap">
          {message}
        </Text>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id);
            undo().catch((error: unknown) => tellFailure('It was not undone', error));
          }}
        >
          Undo
        </Button>
      </Group>
    ),
  });
}

/** What can be done to a user from more than one place. */
export function useDeeds() {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { may } = useSession();

  const write = async (user: User, body: Parameters<typeof patch>[1]) => {
    const now = await patch(user.name, body);
    put(client, now);
    return now;
  };

  /** Shown at once, taken back where the gateway refuses. */
  const setAtOnce = async (user: User, status: Status) => {
    await client.cancelQueries({ queryKey: [KEY] });
    put(client, { ...user, status, failures: status === 'locked_out' ? user.failures : 0 });
    try {
      await write(user, { status });
      return true;
    } catch (error) {
      put(client, user);
      tellFailure(`${user.name} is ${STATUSES[user.status].word} as before`, error);
      return false;
    }
  };

  const setStatus = async (user: User, status: Status) => {
    if (!may('admin')) {
      // An operator could not take it back: asked first.
      confirm({
        title: `Disable ${user.name}?`,
        body: 'Every login of this user is refused from now on. Only an administrator can take it back.',
        confirm: `Disable ${user.name}`,
        danger: true,
        action: () => write(user, { status }),
      });
      return;
    }
    if (await setAtOnce(user, status)) {
      tellWithUndo(`${user.name} is ${STATUSES[status].word} now.`, async () => {
        // Somebody else may have decided meanwhile: theirs holds.
        const now = await ask(
          api.GET('/api/v1/second-factor/users/{name}', { params: { path: { name: user.name } } }),
        );
        if (now.status !== status) {
          put(client, now);
          notifications.show({
            message: `${user.name} is ${STATUSES[now.status].word} by now, which was left so.`,
          });
          return;
        }
        const before = { ...user, status };
        if (await setAtOnce(before, user.status)) {
          notifications.show({ message: `${user.name} is ${STATUSES[user.status].word} again.` });
        }
      });
    }
  };

  const setScript = async (user: User, script: User['script']) => {
    await write(user, { script: script ? { set: script } : 'clear' });
  };

  const unlock = (user: User) =>
    confirm({
      title: `Unlock ${user.name}?`,
      body: (
        <>
          {user.status === 'locked_out'
            ? `${user.name} can log in again. `
            : `${user.name} is not locked out yet. `}
          The count of wrong passcodes begins at 0 again ({plural(user.failures, 'wrong passcode')} now;{' '}
          {FAILURES_TO_LOCK} in a row lock out). If they were somebody else’s guesses, that somebody probably
          has {user.name}’s password.
        </>
      ),
      confirm: `Unlock ${user.name}`,
      action: async () => {
        const path = { name: user.name };
        put(client, await ask(api.POST('/api/v1/second-factor/users/{name}/unlock', { params: { path } })));
        notifications.show({ message: `${user.name} is unlocked.` });
      },
    });

  const remove = (user: User, done?: () => void) =>
    confirm({
      title: `Delete ${user.name}?`,
      body: (
        <>
          {goesWith(user)} What is gone cannot be brought back: devices are set up anew. A login as{' '}
          {user.name} is refused then, unless the application lets unknown users in. What is in the logins and
          in the audit stays.
        </>
      ),
      confirm: `Delete ${user.name}`,
      danger: true,
      action: async () => {
        const path = { name: user.name };
        await ask(api.DELETE('/api/v1/second-factor/users/{name}', { params: { path } }));
        notifications.show({ message: `${user.name} is deleted.` });
        done?.();
        client.setQueryData<Users>(
          usersQuery.queryKey,
          (users) => users && { ...users, items: users.items.filter((one) => one.id !== user.id) },
        );
        await client.invalidateQueries({ queryKey: usersQuery.queryKey });
      },
    });

  return { setStatus, setScript, unlock, remove };
}

const patch = (
  name: string,
  body: { status: Status } | { script: { set: NonNullable<User['script']> } | 'clear' },
) => ask(api.PATCH('/api/v1/second-factor/users/{name}', { params: { path: { name } }, body }));
