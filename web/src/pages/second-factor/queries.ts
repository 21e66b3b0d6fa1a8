/** What the pages of the second factor read. */
import { type QueryClient, queryOptions } from '@tanstack/react-query';
import { ApiError, api, ask } from '@/api/client';
import type { User } from './words';

export const KEY = 'second-factor';
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
export function put(client: QueryClient, user: User): void {
  client.setQueryData<Users>(
    usersQuery.queryKey,
    (users) => users && { ...users, items: users.items.map((one) => (one.id === user.id ? user : one)) },
  );
  client.setQueriesData<User | null>({ queryKey: [KEY, 'user'] }, (one) =>
    one?.id === user.id ? user : one,
  );
}
