/** Lists of directories, and what came of the last synchronization of each, in words. Pure. */
import type { Schemas } from '@/api/client';

export type LastSync = Schemas['LastSync'];

/** What tells a list from others: the section, and the group there where it is not everybody. */
export interface Listed {
  section: string;
  groupDn?: string;
}

export const OUTCOMES: Record<Schemas['SyncOutcome'], { word: string; colour: string; about: string }> = {
  done: { word: 'done', colour: 'green', about: 'All of it was done.' },
  partly: {
    word: 'in part',
    colour: 'orange',
    about: 'What was not possible was left out, and the rest was done.',
  },
  refused: {
    word: 'refused',
    colour: 'red',
    about: 'Nothing was done: more would have been shut out at once than is meant, perhaps.',
  },
  failed: {
    word: 'failed',
    colour: 'red',
    about: 'The directory did not list them, or not all of them could be written here.',
  },
};

/** How long a list that nobody synchronizes keeps in whom another one misses, in milliseconds. */
const HELD = 30 * 24 * 60 * 60 * 1_000;

/** `ad_client/cn=vpn,dc=example`: a section’s name has no slash. */
export function listed(source: string): Listed {
  const slash = source.indexOf('/');
  if (slash < 0) return { section: source };
  return { section: source.slice(0, slash), groupDn: source.slice(slash + 1) };
}

/** Lists that users do not follow at present: whom the directory shut out since may be let in still. */
export function behind(syncs: readonly LastSync[]): LastSync[] {
  return syncs.filter(({ outcome }) => outcome === 'refused' || outcome === 'failed');
}

/** What an administrator should know of a list beside its last synchronization. */
export function remarks(
  { source, taken_at }: LastSync,
  sections: readonly string[] | undefined,
  now: number,
): string[] {
  const { section } = listed(source);
  return [
    sections &&
      !sections.includes(section) &&
      `There is no section ${section} any more, so that nobody can ask for this list: forget it.`,
    now - taken_at * 1_000 > HELD &&
      'Not taken in for 30 days: it keeps nobody in any more whom another list misses.',
  ].filter((remark) => typeof remark === 'string');
}

/** What is beside a list that users do not follow. */
export function behindSaid(lists: readonly LastSync[]): string {
  const names = lists.map(({ source }) => source).join('; ');
  return lists.length === 1
    ? `The last synchronization of ${names} was not done. Whom the directory shut out since may be let in still.`
    : `The last synchronizations of ${lists.length} lists were not done: ${names}. Whom their directories shut out since may be let in still.`;
}
