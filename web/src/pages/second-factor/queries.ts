/** What the pages of the second factor read. */
import {
  type InfiniteData,
  infiniteQueryOptions,
  keepPreviousData,
  type QueryClient,
  queryOptions,
} from '@tanstack/react-query';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import type { Status, User } from './words';

export const KEY = 'second-factor';
/** How many users are read at once. */
export const A_PAGE = 500;
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

/** How the service is, and how many users it has. */
export const statusQuery = queryOptions({
  queryKey: [KEY, 'status'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/status')),
  refetchInterval: ({ state }) => (!state.data && isNotUsed(state.error) ? false : 5_000),
});

/** What the gateway narrows users by. */
export interface Sought {
  search?: string | undefined;
  status?: Status | undefined;
  group?: string | undefined;
}

type Part = Schemas['PartOfUser'];

/** The users that match, by name, part by part. */
export const foundQuery = ({ search, status, group }: Sought) =>
  infiniteQueryOptions({
    queryKey: [KEY, 'found', search, status, group],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit: A_PAGE,
        ...(search ? { search } : {}),
        ...(status ? { status } : {}),
        ...(group ? { group } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      };
      return ask(api.GET('/api/v1/second-factor/users', { params: { query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    // Wrong passcodes and codes that were used show by themselves, where that is one question.
    refetchInterval: ({ state }) => {
      if (!state.data) return isNotUsed(state.error) ? false : 10_000;
      return state.data.pages.length === 1 ? 5_000 : 60_000;
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

export const policiesQuery = queryOptions({
  queryKey: [KEY, 'policies'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/policies')),
});

export const applicationsQuery = queryOptions({
  queryKey: [KEY, 'applications'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/applications')),
});

export const groupsQuery = queryOptions({
  queryKey: [KEY, 'groups'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/groups')),
});

/** What holds for a user at an application. */
export const effectiveQuery = (name: string, application: string) =>
  queryOptions({
    queryKey: [KEY, 'effective', name, application],
    queryFn: () =>
      ask(
        api.GET('/api/v1/second-factor/users/{name}/policy', {
          params: { path: { name }, query: { application } },
        }),
      ),
    enabled: name !== '' && application !== '',
  });

/** How many are read at once of a list that is read on. */
const AT_ONCE = 50;

export interface Narrowed {
  user?: string | undefined;
  kind?: Schemas['IncidentKind'] | undefined;
}

/** Incidents, the newest first. */
export const incidentsQuery = ({ user, kind }: Narrowed, limit = AT_ONCE) =>
  infiniteQueryOptions({
    queryKey: [KEY, 'incidents', user, kind, limit],
    queryFn: ({ pageParam, signal }) => {
      const query = {
        limit,
        ...(user ? { user } : {}),
        ...(kind ? { kind } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      };
      return ask(api.GET('/api/v1/second-factor/incidents', { params: { query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: 0,
  });

/** Approvals that let in again, the newest first. */
export const rememberedQuery = (user: string | undefined, limit = AT_ONCE) =>
  infiniteQueryOptions({
    queryKey: [KEY, 'remembered', user, limit],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit, ...(user ? { user } : {}), ...(pageParam ? { cursor: pageParam } : {}) };
      return ask(api.GET('/api/v1/second-factor/remembered', { params: { query }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: 0,
  });

/** Hardware tokens, by serial number. */
export const tokensQuery = infiniteQueryOptions({
  queryKey: [KEY, 'tokens'],
  queryFn: ({ pageParam, signal }) => {
    const query = { limit: A_PAGE, ...(pageParam ? { cursor: pageParam } : {}) };
    return ask(api.GET('/api/v1/second-factor/tokens', { params: { query }, signal }));
  },
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next ?? undefined,
});

/** Enrolments that wait, the newest first. */
export const enrollmentsQuery = infiniteQueryOptions({
  queryKey: [KEY, 'enrollments'],
  queryFn: ({ pageParam, signal }) => {
    const query = { limit: AT_ONCE, ...(pageParam ? { cursor: pageParam } : {}) };
    return ask(api.GET('/api/v1/second-factor/enrollments', { params: { query }, signal }));
  },
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last) => last.next ?? undefined,
  refetchInterval: 10_000,
});

export const deliveryQuery = queryOptions({
  queryKey: [KEY, 'delivery'],
  queryFn: () => ask(api.GET('/api/v1/second-factor/delivery')),
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
  inFound(client, (items) => items.map((one) => (one.id === user.id ? user : one)));
  client.setQueriesData<User | null>({ queryKey: [KEY, 'user'] }, (one) =>
    one?.id === user.id ? user : one,
  );
}

/** Does not show a user who is gone any more. */
export function drop(client: QueryClient, user: User): void {
  const others = (items: User[]) => items.filter((one) => one.id !== user.id);
  client.setQueryData<Users>(
    usersQuery.queryKey,
    (users) => users && { ...users, items: others(users.items) },
  );
  inFound(client, others);
}

function inFound(client: QueryClient, change: (items: User[]) => User[]): void {
  client.setQueriesData<InfiniteData<Part>>(
    { queryKey: [KEY, 'found'] },
    (found) =>
      found && { ...found, pages: found.pages.map((part) => ({ ...part, items: change(part.items) })) },
  );
}
