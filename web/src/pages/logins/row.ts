/** What the row of a login says. Pure. */
import { type AuthEvent, FACTORS } from '@/components/login/words';
import { localClock, plural, seconds } from '@/lib/format';
import type { Row } from './log';

/** The request that says how it stands. */
export function finalOf(row: Row): AuthEvent {
  return (row.events.at(-1) ?? row.last).event;
}

/** The factor of the login: of the last request that used one. */
export function factorOf(row: Row): string {
  const used = row.events.findLast(({ event }) => event.factor != null)?.event.factor;
  return used ? (FACTORS[used] ?? used) : '';
}

/** From its first request's arrival to its last answer, in microseconds. */
export function lasted(row: Row): number {
  const first = row.events[0]?.event ?? row.last.event;
  const last = finalOf(row);
  return Math.max(last.elapsed_us, (last.at_ms - first.at_ms) * 1_000 + last.elapsed_us);
}

/** As short as it can be read: what took a minute needs no milliseconds. */
export function shortly(us: number): string {
  if (us < 1_000) return '<1 ms';
  if (us < 1_000_000) return `${Math.round(us / 1_000)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(1)} s`;
  return seconds(us / 1_000_000);
}

export function stepsOf(row: Row): string {
  const steps = row.events.reduce((sum, { event }) => sum + event.timeline.length, 0);
  const requests = row.events.length;
  return requests > 1 ? `${plural(requests, 'request')}, ${plural(steps, 'step')}` : plural(steps, 'step');
}

const DAY = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short' });
const YEAR = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short', year: 'numeric' });

/** `16:00:07` today, `21 Nov 16:00:07` this year, with the year before it. */
export function rowTime(ms: number, now: number): string {
  const at = new Date(ms);
  const today = new Date(now);
  if (at.toDateString() === today.toDateString()) return localClock(ms);
  return `${(at.getFullYear() === today.getFullYear() ? DAY : YEAR).format(ms)} ${localClock(ms)}`;
}
