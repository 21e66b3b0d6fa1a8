import { queryOptions } from '@tanstack/react-query';
import { api, ask } from '@/api/client';
import { inOrder } from '@/components/login/explain';
import type { AuthEvent } from '@/components/login/words';

/** A question that nobody answered for so long is over: its State is good for five minutes. */
const ANSWERED_WITHIN_MS = 300_000;
/** The most requests of one login: eleven answers of no use end it, and retries of passcodes do sooner. */
const REQUESTS = 100;

/** All requests of the login that this id belongs to, oldest first. */
export const loginQuery = (id: string) =>
  queryOptions({
    queryKey: ['login', id],
    queryFn: async (): Promise<AuthEvent[]> => {
      const path = { path: { id } };
      const { event } = await ask(api.GET('/api/v1/events/{id}', { params: path })).catch(
        async (error: unknown) => {
          // Its first request may be forgotten already, while later ones are there.
          const [left] = await requestsOf(id).catch(() => []);
          if (left) return { event: left };
          throw error;
        },
      );
      const all = await requestsOf(event.first ?? event.id);
      return all.length > 0 ? all : [event];
    },
    // While a question waits for its answer, the answer is waited for.
    refetchInterval: ({ state }) => (isOpen(state.data, Date.now()) ? 2_000 : false),
  });

async function requestsOf(first: string): Promise<AuthEvent[]> {
  const page = await ask(api.GET('/api/v1/events', { params: { query: { first, limit: REQUESTS } } }));
  return typeof page === 'string' ? [] : inOrder(page.items).map(({ event }) => event);
}

/** Whether its last answer was a question that may still be answered. */
export function isOpen(events: readonly AuthEvent[] | undefined, now: number): boolean {
  const last = events?.at(-1);
  return last?.outcome === 'challenge' && now - last.at_ms < ANSWERED_WITHIN_MS;
}
