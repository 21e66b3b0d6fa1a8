/** How long a bypass lasts, as a form asks for it. Pure. */
import type { Schemas } from '@/api/client';
import { LIVES, type Status } from './words';

/** Until a time that is typed, and until somebody changes it. */
export const AT = 'at';
export const LASTING = 'lasting';

export const HOW_LONG: readonly { value: string; label: string }[] = [
  ...LIVES,
  { value: AT, label: 'until a time' },
  { value: LASTING, label: 'until somebody changes it' },
];

/** When it is over, in seconds since 1970, null where it lasts; or what is wrong with what was chosen. */
export function bypassUntil(
  long: string,
  at: string,
  now: number,
): { until: number | null } | { fault: string } {
  if (long === LASTING) return { until: null };
  if (long !== AT) return { until: Math.floor(now / 1_000) + Number(long) };
  const time = new Date(at).getTime();
  if (Number.isNaN(time)) return { fault: 'Say a day and a time.' };
  if (time <= now) return { fault: 'That is over already.' };
  return { until: Math.floor(time / 1_000) };
}

/** What is sent to set a status. A bypass without an end lasts. */
export function statusBody(status: Status, until: number | null): Schemas['ChangeUserWrite'] {
  return status === 'bypass' && until !== null ? { status, bypass_until: until } : { status };
}
