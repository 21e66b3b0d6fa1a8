import { describe, expect, it } from 'vitest';
import { idOf, stored } from '@/test/events';
import { LoginLog } from './log';
import { factorOf, finalOf, lasted, rowTime, shortly, stepsOf } from './row';

function rowOf(...events: Parameters<typeof stored>[]) {
  const log = new LoginLog();
  log.newer(events.map((one) => stored(...one)));
  const row = log.rows[0];
  if (!row) throw new Error('no row');
  return row;
}

const step = { stage: 'primary' as const, at_us: 0, elapsed_us: 1, detail: '' };

describe('the row of a login with a question', () => {
  const row = rowOf(
    [1, { outcome: 'challenge', reason: 'prompted', timeline: [step] }],
    [4, { first: idOf(1), factor: 'push', elapsed_us: 2_500_000, timeline: [step, step] }],
  );
  it('has the outcome of the last request', () => expect(finalOf(row).outcome).toBe('accept'));
  it('has the factor that was used', () => expect(factorOf(row)).toBe('push'));
  it('lasted from the first request to the last answer', () => expect(lasted(row)).toBe(5_500_000));
  it('counts requests and steps', () => expect(stepsOf(row)).toBe('2 requests, 3 steps'));
});

it('the row of a login of one request has its own time', () => {
  expect(lasted(rowOf([1, { elapsed_us: 7 }]))).toBe(7);
  expect(stepsOf(rowOf([1, { timeline: [step] }]))).toBe('1 step');
  expect(factorOf(rowOf([1]))).toBe('');
});

it.each([
  [300, '<1 ms'],
  [4_200, '4 ms'],
  [1_040_000, '1.0 s'],
  [75_000_000, '1 min 15 s'],
])('%i µs are %s', (us, want) => expect(shortly(us)).toBe(want));

it('the time of a row has its day where it is not today', () => {
  const now = new Date(2026, 10, 22, 15).getTime();
  expect(rowTime(new Date(2026, 10, 22, 14, 5, 7).getTime(), now)).toBe('14:05:07');
  expect(rowTime(new Date(2026, 10, 21, 14, 5, 7).getTime(), now)).toMatch(/21.*14:05:07/);
  expect(rowTime(new Date(2025, 10, 21, 14, 5, 7).getTime(), now)).toMatch(/2025.*14:05:07/);
});
