/** What narrows the audit: in the page's address, and as the API takes it. */

export const FILTERS = ['actor', 'action', 'target', 'source', 'from', 'to'] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filter = Partial<Record<FilterName, string>>;

export const LABELS: Record<FilterName, string> = {
  actor: 'Who',
  action: 'What',
  target: 'To what',
  source: 'Address',
  from: 'Since',
  to: 'Before',
};

/** Those that stand behind a button. */
export const FURTHER: readonly FilterName[] = ['target', 'source', 'from', 'to'];

/** What of an address is a filter; the rest is left out. */
export function filterOf(search: Record<string, string | undefined>): Filter {
  const filter: Filter = {};
  for (const name of FILTERS) {
    const value = search[name]?.trim();
    if (value) filter[name] = value;
  }
  return filter;
}

const two = (n: number) => String(n).padStart(2, '0');

/** A moment as a field of date and time wants it, in the reader's zone; nothing for what is none. */
export function toField(moment: string | undefined): string {
  if (!moment) return '';
  const at = new Date(/^\d{1,13}$/.test(moment) ? Number(moment) : moment);
  if (Number.isNaN(at.getTime())) return '';
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What a field of date and time holds, as the API takes it: in UTC. */
export function fromField(local: string): string {
  const at = new Date(local);
  return local === '' || Number.isNaN(at.getTime()) ? '' : at.toISOString().replace('.000Z', 'Z');
}
