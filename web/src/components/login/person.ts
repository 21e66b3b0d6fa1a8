/** Who a login's user is at the built-in second factor. Pure. */
import type { AuthEvent } from './words';

/** The user as the built-in second factor has it now: nobody, somebody without a way to pass it, or with one. */
export interface Person {
  is: 'nobody' | 'bare' | 'ready' | 'unread';
  /** The name there; as it was typed, where nobody has it. */
  name: string;
}

/** What the answer of a second factor that refuses a user says of them. */
export type Refusal = 'unknown' | 'disabled' | 'locked' | 'other';

/** Told from its words: no other sign of it is in the event. */
export function refusalOf(event: AuthEvent): Refusal {
  const said =
    event.timeline.findLast(({ stage }) => stage === 'preauth' || stage === 'factor')?.detail ?? '';
  if (/\bnot enrolled\b/i.test(said)) return 'unknown';
  if (/\bdisabled\b/i.test(said)) return 'disabled';
  return /\block(ed)?\b/i.test(said) ? 'locked' : 'other';
}

/** The names under which the built-in second factor may have a user: as typed, and without its domain. */
export function namesOf(user: string): string[] {
  const bare = user.replace(/^[^\\]*\\/, '').replace(/@[^@]*$/, '');
  return bare === '' || bare === user ? [user] : [user, bare];
}

export function nameOf(person: Person, event: AuthEvent): string {
  return person.name || (event.user ?? '');
}

/** A word of a command, as a shell takes it. */
export function shellWord(text: string): string {
  return /^[\p{L}\p{N}._@+][\p{L}\p{N}._@+-]*$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
