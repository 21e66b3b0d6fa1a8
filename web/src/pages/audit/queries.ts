import { infiniteQueryOptions } from '@tanstack/react-query';
import { api, ask, type Schemas } from '@/api/client';
import type { Filter } from './filter';

export type Entry = Schemas['Entry'];
export type Verified = Schemas['Verified'];

/** How many entries come at once. */
const PAGE = 50;
/** How many entries a file holds at most, and how many are asked for at once. */
export const EXPORTED = 50_000;
const EXPORT_PAGE = 1_000;

function page(filter: Filter, limit: number, cursor: string | undefined) {
  return ask(
    api.GET('/api/v1/audit', { params: { query: { ...filter, limit, ...(cursor ? { cursor } : {}) } } }),
  );
}

export const auditQuery = (filter: Filter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam }) => page(filter, PAGE, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    // What was done a moment ago on another page is to be seen.
    staleTime: 0,
  });

/** All entries that a filter lets through, the newest first; `cut` where there are more than a file holds. */
export async function allEntries(filter: Filter): Promise<{ entries: Entry[]; cut: boolean }> {
  const entries: Entry[] = [];
  let cursor: string | undefined;
  do {
    const { items, next } = await page(filter, EXPORT_PAGE, cursor);
    entries.push(...items);
    cursor = next ?? undefined;
  } while (cursor !== undefined && entries.length < EXPORTED);
  return { entries, cut: cursor !== undefined };
}

export function verify(): Promise<Verified> {
  return ask(api.GET('/api/v1/audit/verify'));
}
