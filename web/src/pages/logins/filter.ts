/** Which logins are looked at: as the page's address has it, and as the API is asked. Pure. */
import { FACTORS, type Factor, OUTCOMES, type Outcome, REASONS, type Reason } from '@/components/login/words';
import { localTime } from '@/lib/format';

/** What of the address narrows the list. Others (`open`) are the page's. */
export const FILTERS = [
  'text',
  'since',
  'from',
  'to',
  'outcome',
  'user',
  'integration',
  'reason',
  'factor',
  'client',
  'node',
  'test',
] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filter = Partial<Record<FilterName, string>>;

export const SPANS: Record<string, { label: string; ms: number }> = {
  '1h': { label: 'last hour', ms: 3_600_000 },
  '1d': { label: 'last day', ms: 86_400_000 },
  '7d': { label: 'last week', ms: 7 * 86_400_000 },
};

/** The API takes no longer text. */
export const TEXT_CHARACTERS = 200;

function momentOf(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

const GOOD: Partial<Record<FilterName, (value: string) => boolean>> = {
  since: (value) => Object.hasOwn(SPANS, value),
  from: (value) => momentOf(value) !== null,
  to: (value) => momentOf(value) !== null,
  outcome: (value) => Object.hasOwn(OUTCOMES, value),
  reason: (value) => Object.hasOwn(REASONS, value),
  factor: (value) => Object.hasOwn(FACTORS, value),
  test: (value) => value === 'true' || value === 'false',
  // The API refuses what is no address; here it is refused before it is asked.
  client: (value) => /^[0-9a-f:.]{2,45}$/i.test(value) && /[.:]/.test(value),
};

/** What the address asks for; what nobody could mean is left out. */
export function filterOf(search: Record<string, string | undefined>): Filter {
  const filter: Filter = {};
  for (const name of FILTERS) {
    const value = search[name];
    if (value !== undefined && value !== '' && (GOOD[name]?.(value) ?? true)) filter[name] = value;
  }
  if (filter.text) filter.text = [...filter.text].slice(0, TEXT_CHARACTERS).join('');
  // A span and its own beginning: the nearer wish counts.
  if (filter.since && filter.from) delete filter.from;
  return filter;
}

/** Why a value is not taken, for the field. */
export function faultOf(name: FilterName, value: string): string | null {
  if (value === '' || (GOOD[name]?.(value) ?? true)) return null;
  return name === 'client' ? 'An IP address, such as 192.0.2.10' : 'This is not known';
}

/** As the API is asked; a span ends now. */
export function queryOf(filter: Filter, now: number): Record<string, string> {
  const { since, from, to, ...rest } = filter;
  const query: Record<string, string> = { ...rest };
  const span = since ? SPANS[since] : undefined;
  if (span) query.from = String(now - span.ms);
  else if (from) query.from = String(momentOf(from));
  if (to) query.to = String(momentOf(to));
  return query;
}

/** Whether anything that happens from now on could match. */
export function mayGrow(filter: Filter, now: number): boolean {
  const to = filter.to ? momentOf(filter.to) : null;
  return to === null || to > now;
}

/** The address of an export of all that matches. */
export function exportAddress(filter: Filter, format: 'csv' | 'jsonl', now: number): string {
  return `/api/v1/events?${new URLSearchParams({ ...queryOf(filter, now), format })}`;
}

const NAMES: Record<FilterName, string> = {
  text: 'contains',
  since: 'time',
  from: 'from',
  to: 'before',
  outcome: 'outcome',
  user: 'user',
  integration: 'integration',
  reason: 'reason',
  factor: 'factor',
  client: 'client',
  node: 'node',
  test: 'tests',
};

/** A filter in words: `user: alice`. */
export function wordsOf(name: FilterName, value: string): string {
  const shown = () => {
    switch (name) {
      case 'since':
        return SPANS[value]?.label ?? value;
      case 'from':
      case 'to':
        return localTime(momentOf(value) ?? 0);
      case 'outcome':
        return OUTCOMES[value as Outcome]?.word ?? value;
      case 'reason':
        return REASONS[value as Reason] ?? value;
      case 'factor':
        return FACTORS[value as Factor] ?? value;
      case 'test':
        return value === 'true' ? 'only tests' : 'hidden';
      default:
        return value;
    }
  };
  return `${NAMES[name]}: ${shown()}`;
}

/** Of `<input type="datetime-local">`, in the reader's zone, as a moment in UTC; empty when it is none. */
export function fromLocalInput(text: string): string {
  const ms = text === '' ? Number.NaN : new Date(text).getTime();
  return Number.isNaN(ms) ? '' : new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** What a field that is left asks for; nothing where nobody changed it, as it shows no seconds. */
export function takenFrom(text: string, value: string | undefined): string | undefined {
  return text === toLocalInput(value) ? undefined : fromLocalInput(text);
}

/** And back: `2026-11-22T16:00`. */
export function toLocalInput(moment: string | undefined): string {
  const ms = moment ? momentOf(moment) : null;
  if (ms === null) return '';
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
