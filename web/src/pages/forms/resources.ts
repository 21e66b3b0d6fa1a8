/** The documents that have forms, at the API: read with their tags, tried, written into a draft, taken out. */
import { queryOptions } from '@tanstack/react-query';
import { api, ask, askFor } from '@/api/client';
import type { Doc, Json } from './path';
import type { Read } from './state';

/** Where a write goes: nowhere, or into a draft. */
export type Where = { dry_run: true } | { draft: number };

const read = ({ data, response }: { data: unknown; response: Response }): Read => ({
  doc: data as Doc,
  tag: response.headers.get('etag'),
});

const match = (tag: string | null) => (tag === null ? {} : { 'If-Match': tag });

// What a form holds is what somebody typed: whether it is a document the API decides.
const body = (doc: Json) => doc as never;

/** Documents that have names. */
function named(name: 'integrations' | 'authenticators') {
  const all = `/api/v1/${name}` as const;
  const one = `/api/v1/${name}/{id}` as const;
  return {
    query: (id: string) =>
      queryOptions({
        queryKey: [name, id],
        queryFn: async () => read(await askFor(api.GET(one, { params: { path: { id } } }))),
      }),
    make: (doc: Doc, query: Where) => ask(api.POST(all, { params: { query }, body: body(doc) })),
    change: (id: string, patch: Json, tag: string | null, query: Where) =>
      ask(api.PATCH(one, { params: { path: { id }, query, header: match(tag) }, body: body(patch) })),
    remove: (id: string, query: Where) => ask(api.DELETE(one, { params: { path: { id }, query } })),
  };
}
export type Named = ReturnType<typeof named>;

export const integrations = named('integrations');
export const authenticators = named('authenticators');

export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  queryFn: async () => read(await askFor(api.GET('/api/v1/settings'))),
});

export const settings = {
  change: (patch: Json, tag: string | null, query: Where) =>
    ask(api.PATCH('/api/v1/settings', { params: { query, header: match(tag) }, body: body(patch) })),
};
