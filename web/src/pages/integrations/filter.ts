/** What narrows the list of integrations: the address of the page says it, and the API understands it. */
import type { operations } from '@/api/schema';

export type Filter = NonNullable<operations['listIntegrations']['parameters']['query']>;

export const SORTS = [
  { value: 'id', label: 'Name' },
  { value: 'mode', label: 'Mode' },
  { value: 'port', label: 'Port' },
  { value: 'authenticator', label: 'Authenticator' },
  { value: 'fail_mode', label: 'When unreachable' },
];

const NAMES = ['q', 'mode', 'port', 'authenticator', 'client', 'fail_mode', 'builtin', 'sort'] as const;

/** What the API knows, and nothing else that stands in the address. */
export function filterOf(search: Record<string, string | undefined>): Filter {
  const filter: Record<string, string> = {};
  for (const name of NAMES) {
    const value = search[name];
    if (value) filter[name] = value;
  }
  return filter as Filter;
}

export function isNarrowed({ sort: _, ...rest }: Filter): boolean {
  return Object.keys(rest).length > 0;
}
