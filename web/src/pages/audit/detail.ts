/** What an entry says beside who and when, as differences and as plain facts. */
import type { Schemas } from '@/api/client';
import { localTime } from '@/lib/format';

type Difference = Schemas['Difference'];
type Fields = Record<string, unknown>;

export type Detail =
  | { kind: 'differences'; differences: Difference[] }
  | { kind: 'facts'; facts: { name: string; value: unknown }[] }
  | { kind: 'nothing' };

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDifference(value: unknown): value is Difference {
  return isFields(value) && typeof value.path === 'string';
}

/** A moment as a time: in milliseconds since 1970, or in seconds (`expires_at`). The rest as it is. */
function readable(name: string, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  if (name.endsWith('_ms')) return localTime(value);
  return name.endsWith('_at') ? localTime(value * 1_000) : value;
}

function empty(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

function compared(before: unknown, after: unknown, thing: string): Difference[] {
  const [was, is] = [isFields(before) ? before : {}, isFields(after) ? after : {}];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.flatMap((name) => {
    const [old, now] = [was[name], is[name]];
    if ((empty(old) && empty(now)) || JSON.stringify(old) === JSON.stringify(now)) return [];
    const path = `${thing}.${name.replace(/_ms$/, '')}`;
    return [
      {
        path,
        ...(empty(old) ? {} : { before: readable(name, old) }),
        ...(empty(now) ? {} : { after: readable(name, now) }),
      },
    ];
  });
}

/** What it was done to, in a word: of `second-factor.user.create` it is `user`. */
export function thingOfAction(action: string): string {
  return (action.split('.').at(-2) ?? action).replaceAll('-', '_');
}

/** The name of what it was done to, where an entry's target has an id alone. */
export function nameIn(detail: unknown, target: string): string | undefined {
  if (!isFields(detail)) return undefined;
  for (const part of [detail.after, detail.before, detail]) {
    const name = isFields(part) ? part.name : undefined;
    if (typeof name === 'string' && name !== '') return target.includes(name) ? undefined : name;
  }
  return undefined;
}

/** An entry's document: a list of differences, `before` and `after`, or some facts. */
export function detailOf(action: string, detail: unknown): Detail {
  if (Array.isArray(detail) && detail.every(isDifference)) {
    return detail.length > 0 ? { kind: 'differences', differences: detail } : { kind: 'nothing' };
  }
  if (isFields(detail) && ('before' in detail || 'after' in detail)) {
    const differences = compared(detail.before, detail.after, thingOfAction(action));
    return differences.length > 0 ? { kind: 'differences', differences } : { kind: 'nothing' };
  }
  if (isFields(detail)) {
    const facts = Object.entries(detail)
      .filter(([, value]) => !empty(value))
      .map(([name, value]) => ({
        name: name.replace(/_ms$/, '').replaceAll('_', ' '),
        value: readable(name, value),
      }));
    return facts.length > 0 ? { kind: 'facts', facts } : { kind: 'nothing' };
  }
  return empty(detail) || detail === ''
    ? { kind: 'nothing' }
    : { kind: 'facts', facts: [{ name: 'text', value: detail }] };
}
