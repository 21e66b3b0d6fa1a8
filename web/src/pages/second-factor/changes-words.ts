/** What becomes of many users, line by line. Pure. */
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';

export type UserChanges = Schemas['UserChanges'];

export interface Line {
  key: string;
  name: string;
  what: 'refused' | 'new' | 'changed' | 'missing';
  more: string;
}

const FIELD_WORDS: Record<string, string> = {
  full_name: 'full name',
  email: 'e-mail',
  phones: 'phone',
  source: 'where they come from',
  lists: 'which lists have them',
};

/** How many users something happens to. */
export function howMany({ created, changed, missing }: UserChanges): number {
  return created.length + changed.length + missing.length;
}

/** What is refused first: it stops the rest. */
export function changeLines({ created, changed, missing, refused }: UserChanges, taken: Taken): Line[] {
  return [
    ...refused.map(({ line, name, why }, index) => ({
      key: `refused ${index}`,
      name: name || '(no name)',
      what: 'refused' as const,
      more: line ? `Line ${line}: ${why}` : why,
    })),
    ...missing.map((name) => ({
      key: `missing ${name}`,
      name,
      what: 'missing' as const,
      more: taken === 'off' ? 'on no other list' : 'not there any more',
    })),
    ...changed.map(({ name, now, fields }) => ({
      key: `changed ${name}`,
      name: now ? `${name} → ${now}` : name,
      what: 'changed' as const,
      more: fields.map((field) => FIELD_WORDS[field] ?? field).join(', '),
    })),
    ...created.map((name) => ({ key: `new ${name}`, name, what: 'new' as const, more: '' })),
  ];
}

/**
 * How what is refused is dealt with: of a file all is taken or nothing, of a directory the rest is. Or a list
 * of a directory is taken off.
 */
export type Taken = 'whole' | 'rest' | 'off';

/** Whether it can be done. Of a directory it counts as its last synchronization where nothing changes, too. */
export function isPossible(changes: UserChanges, taken: Taken): boolean {
  if (changes.needs_force) return false;
  return taken !== 'whole' || (howMany(changes) > 0 && changes.refused.length === 0);
}

/** In one line. */
export function changesSaid(changes: UserChanges, taken: Taken): string {
  const { created, changed, missing, refused, unchanged, needs_force } = changes;
  if (refused.length > 0 && taken === 'whole') {
    return `Nothing is taken in: ${plural(refused.length, 'line is', 'lines are')} not possible.`;
  }
  if (needs_force) return `Nothing is taken in: ${needs_force}.`;
  const left = refused.length > 0 ? ` Left out, as not possible: ${refused.length}.` : '';
  if (howMany(changes) === 0)
    return `Nothing would change: ${plural(unchanged, 'user is', 'users are')} so already.${left}`;
  const parts = [
    created.length > 0 && `${plural(created.length, 'new user')}`,
    changed.length > 0 && `${changed.length} changed`,
    missing.length > 0 && `${missing.length} ${taken === 'off' ? 'on no other list' : 'missing there'}`,
    unchanged > 0 && `${unchanged} as before`,
  ].filter((part) => typeof part === 'string');
  return `${parts.join(', ')}.${left}`;
}
