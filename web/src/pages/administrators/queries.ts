import { queryOptions } from '@tanstack/react-query';
import { ApiError, api, ask, askFor, type Schemas } from '@/api/client';
import { unlessGone } from '@/lib/gone';

export type Administrator = Schemas['AdminView'];
export type Invited = Schemas['Invited'];
export type Invitation = Schemas['Invitation'];
export type Provider = Schemas['Provider'];

/** All of them: an installation has 64. Who takes an invitation is seen to by whoever sent it. */
export const administratorsQuery = queryOptions({
  queryKey: ['administrators'],
  queryFn: () => ask(api.GET('/api/v1/admins', { params: { query: { limit: 1000, sort: 'name' } } })),
  refetchInterval: 10_000,
});

/** The provider with its version; null where none is named. */
export const providerQuery = queryOptions({
  queryKey: ['oidc'],
  queryFn: async () => {
    try {
      const { data, response } = await askFor(api.GET('/api/v1/oidc'));
      return { provider: data, tag: response.headers.get('etag') ?? '*' };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },
});

export function invite(body: Invited) {
  return ask(api.POST('/api/v1/admins', { body }));
}

/** Removes one; `invited`: only while the invitation is not taken. Who is not there counts as removed. */
export async function removeAdministrator(name: string, invited: boolean): Promise<void> {
  const query = invited ? { invited } : {};
  await ask(api.DELETE('/api/v1/admins/{name}', { params: { path: { name }, query } })).catch(unlessGone);
}
