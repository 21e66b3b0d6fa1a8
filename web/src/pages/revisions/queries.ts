import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ask } from '@/api/client';

/** How many revisions are on a page. */
export const PAGE = 25;

export interface Filter {
  author?: string | undefined;
  q?: string | undefined;
  cursor?: string | undefined;
}

export function revisionsQuery({ author, q, cursor }: Filter) {
  const query = {
    limit: PAGE,
    ...(author ? { author } : {}),
    ...(q ? { q } : {}),
    ...(cursor ? { cursor } : {}),
  };
  return queryOptions({
    queryKey: ['revisions', 'list', query],
    queryFn: () => ask(api.GET('/api/v1/revisions', { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

export function revisionQuery(number: number) {
  return queryOptions({
    queryKey: ['revisions', number],
    queryFn: () => ask(api.GET('/api/v1/revisions/{number}', { params: { path: { number } } })),
  });
}

/** What changed from `from` to `number`; 0 is before the first. */
export function diffQuery(number: number, from: number) {
  return queryOptions({
    queryKey: ['revisions', number, 'diff', from],
    queryFn: async () => {
      const answer = await ask(
        api.GET('/api/v1/revisions/{number}/diff', { params: { path: { number }, query: { with: from } } }),
      );
      // Text is for those who ask for it.
      return typeof answer === 'string' ? [] : answer.differences;
    },
  });
}

/** A number as it stands in an address; null where it is none. */
export function revisionNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
}
