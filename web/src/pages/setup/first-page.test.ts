import { QueryClient } from '@tanstack/react-query';
import { expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { aboutQuery, integrationsQuery } from '@/api/queries';
import { firstPage } from './first-page';

const OLGA = { caller: 'admin olga', role: 'admin' } as Schemas['Who'];

function there(kind: 'database' | 'file', integrations: number): QueryClient {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData(aboutQuery.queryKey, { configuration: { kind } } as never);
  client.setQueryData(integrationsQuery.queryKey, {
    items: Array.from({ length: integrations }, (_, at) => ({ id: `i${at}` })),
  } as never);
  return client;
}

it.each([
  ['nothing is configured', there('database', 0), OLGA, '/welcome'],
  ['something is', there('database', 2), OLGA, '/'],
  ['a file is the truth', there('file', 0), OLGA, '/'],
  ['somebody may only look', there('database', 0), { ...OLGA, role: 'viewer' as const }, '/'],
])('%s', async (_, client, who, want) => {
  expect(await firstPage(client, who)).toBe(want);
});
