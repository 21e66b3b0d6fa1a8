import { queryOptions } from '@tanstack/react-query';
import { api, ask, type Schemas } from '@/api/client';

export type Token = Schemas['TokenView'];

/** All of them: an installation keeps 256. */
export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: () =>
    ask(api.GET('/api/v1/tokens', { params: { query: { limit: 1000, sort: '-created_at_ms' } } })),
  // When one was used last, and that it expired, shows by itself.
  refetchInterval: 30_000,
});

export function revokeToken(id: string): Promise<unknown> {
  return ask(api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } }));
}
