import type { Administrator } from './queries';

export type Standing = 'active' | 'invited' | 'late';

/** Whether somebody can sign in, is still to take the invitation, or did not in time. */
export function standingOf(one: Administrator, now: number): Standing {
  if (one.active) return 'active';
  return (one.invited_until_ms ?? 0) > now ? 'invited' : 'late';
}

/** What an invited person opens. What stands behind the `#` is in no log: browsers do not send it. */
export function invitationLink(origin: string, invitation: string): string {
  return `${origin}/invitation#${invitation}`;
}

/** Whether nobody else would be left who can sign in here and do everything. */
export function isLastAdmin(one: Administrator, all: readonly Administrator[]): boolean {
  const isFull = ({ active, role }: Administrator) => active && role === 'admin';
  return isFull(one) && !all.some((other) => other.name !== one.name && isFull(other));
}
