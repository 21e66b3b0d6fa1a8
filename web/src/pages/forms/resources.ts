/** The documents that have forms, at the API: read with their tags, tried, written into a draft, taken out. */
import { queryOptions } from '@tanstack/react-query';
import { api, ask, askFor } from '@/api/client';
import type { Doc, Json } from './path';
import type { Read } from './state';

type Id = { id: string };
/** Where a write goes: nowhere, or into a draft. */
type Where = { dry_run: true } | { draft: number };

const read = ({ data, response }: { data: unknown; response: Response }): Read => ({
  doc: data as Doc,
  tag: response.headers.get('etag'),
});

const match = (tag: string | null) => (tag === null ? {} : { 'If-Match': tag });

export const integrationQuery = (id: string) =>
  queryOptions({
    queryKey: ['integrations', id],
    queryFn: async () =>
      read(await askFor(api.GET('/api/v1/integrations/{id}', { params: { path: { id } } }))),
  });

export const authenticatorQuery = (id: string) =>
  queryOptions({
    queryKey: ['authenticators', id],
    queryFn: async () =>
      read(await askFor(api.GET('/api/v1/authenticators/{id}', { params: { path: { id } } }))),
  });

export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  queryFn: async () => read(await askFor(api.GET('/api/v1/settings'))),
});

// What a form holds is what somebody typed: whether it is a document the API decides.
const body = (doc: Json) => doc as never;

export const integrations = {
  make: (doc: Doc, query: Where) =>
    ask(api.POST('/api/v1/integrations', { params: { query }, body: body(doc) })),
  change: ({ id }: Id, patch: Json, tag: string | null, query: Where) =>
    ask(
      api.PATCH('/api/v1/integrations/{id}', {
        params: { path: { id }, query, header: match(tag) },
        body: body(patch),
      }),
    ),
  remove: ({ id }: Id, query: Where) =>
    ask(api.DELETE('/api/v1/integrations/{id}', { params: { path: { id }, query } })),
};

export const authenticators = {
  make: (doc: Doc, query: Where) =>
    ask(api.POST('/api/v1/authenticators', { params: { query }, body: body(doc) })),
  change: ({ id }: Id, patch: Json, tag: string | null, query: Where) =>
    ask(
      api.PATCH('/api/v1/authenticators/{id}', {
        params: { path: { id }, query, header: match(tag) },
        body: body(patch),
      }),
    ),
  remove: ({ id }: Id, query: Where) =>
    ask(api.DELETE('/api/v1/authenticators/{id}', { params: { path: { id }, query } })),
};

export const settings = {
  change: (patch: Json, tag: string | null, query: Where) =>
    ask(api.PATCH('/api/v1/settings', { params: { query, header: match(tag) }, body: body(patch) })),
};
