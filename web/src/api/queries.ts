/** What more than one page reads, under one key each, so that a change shows everywhere. */
import { QueryClient, queryOptions } from '@tanstack/react-query';
import { ApiError, api, ask } from './client';

/** Whether asking again may help: not when we are told that the question is wrong. */
export function worthRetrying(failures: number, error: Error): boolean {
  return failures < 3 && error instanceof ApiError && (error.status === 0 || error.status >= 500);
}

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: worthRetrying, staleTime: 5_000, refetchOnWindowFocus: true },
      mutations: { retry: false },
    },
  });
}

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: () => ask(api.GET('/api/v1/session')),
  staleTime: 60_000,
});

/** What this installation is: its version, where it is configured, its clock. */
export const aboutQuery = queryOptions({
  queryKey: ['about'],
  queryFn: () => ask(api.GET('/api/v1/about')),
  staleTime: 30_000,
});

export const primaryOnlyQuery = queryOptions({
  queryKey: ['primary-only'],
  queryFn: () => ask(api.GET('/api/v1/primary-only')),
  refetchInterval: 5_000,
});

export const nodesQuery = queryOptions({
  queryKey: ['nodes'],
  queryFn: () => ask(api.GET('/api/v1/nodes', { params: { query: { limit: 1000 } } })),
  refetchInterval: 5_000,
});

export const integrationsQuery = queryOptions({
  queryKey: ['integrations'],
  queryFn: () => ask(api.GET('/api/v1/integrations', { params: { query: { limit: 1000 } } })),
});

export const authenticatorsQuery = queryOptions({
  queryKey: ['authenticators'],
  queryFn: () => ask(api.GET('/api/v1/authenticators', { params: { query: { limit: 1000 } } })),
});

export const draftsQuery = queryOptions({
  queryKey: ['drafts'],
  queryFn: () => ask(api.GET('/api/v1/drafts', { params: { query: { limit: 100 } } })),
});

/** Everything that a new revision may change on a page. */
export const OF_THE_CONFIGURATION = [
  ['integrations'],
  ['authenticators'],
  ['settings'],
  ['revisions'],
  ['drafts'],
  ['config'],
  ['nodes'],
  ['about'],
  ['overview'],
] as const;

export async function configurationChanged(client: QueryClient): Promise<void> {
  await Promise.all(OF_THE_CONFIGURATION.map((queryKey) => client.invalidateQueries({ queryKey })));
}
