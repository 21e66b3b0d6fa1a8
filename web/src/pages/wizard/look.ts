/** What the gateway says of a text before anything is done with it. */
import { queryOptions } from '@tanstack/react-query';
import { api, ask } from '@/api/client';

export interface Sent {
  text: string;
  files: Record<string, string>;
  /** What it is called in messages. */
  name: string;
}

export function looked(sent: Sent) {
  return queryOptions({
    queryKey: ['wizard', 'validate', sent],
    queryFn: ({ signal }) => ask(api.POST('/api/v1/config/validate', { body: sent, signal })),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    refetchOnWindowFocus: false,
  });
}
