import type { Administrator } from './queries';

export type Standing = 'active' | 'locked' | 'invited' | 'late';

/** The integrations that there are; undefined while nobody knows. */
export type Known = ReadonlySet<string> | undefined;

/**
 * Whether somebody can sign in, has a second factor that is nowhere any more, is still to take the
 * invitation, or did not in time.
 */
export function standingOf(one: Administrator, now: number, known: Known): Standing {
  if (one.integration && known && !known.has(one.integration)) return 'locked';
  if (one.active) return 'active';
  return (one.invited_until_ms ?? 0) > now ? 'invited' : 'late';
}

/** What an invited person opens. What stands behind the `#` is in no log: browsers do not send it. */
export function invitationLink(origin: string, invitation: string): string {
  return `${origin}/invitation#${invitation}`;
}

/** Whether nobody else would be left who can sign in here and do everything. */
export function isLastAdmin(one: Administrator, all: readonly Administrator[], known: Known): boolean {
  const isFull = (each: Administrator) => each.role === 'admin' && standingOf(each, 0, known) === 'active';
  return isFull(one) && !all.some((other) => other.name !== one.name && isFull(other));
}
