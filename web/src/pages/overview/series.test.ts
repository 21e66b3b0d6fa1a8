import { expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import {
  barOf,
  lines,
  readBucket,
  stacked,
  summaryOfLogins,
  summaryOfStage,
  tableOfLogins,
  totals,
} from './series';

const AT = new Date(2026, 10, 22, 16, 5).getTime();
const bucket = (at_ms: number, accept = 0, reject = 0, challenge = 0, unanswered = 0) => ({
  at_ms,
  accept,
  reject,
  challenge,
  unanswered,
});
const overview: Schemas['Overview'] = {
  since_ms: AT,
  until_ms: AT + 90_000,
  bucket_ms: 30_000,
  buckets: [bucket(AT, 4, 1), bucket(AT + 30_000), bucket(AT + 60_000, 0, 0, 2, 1)],
  reasons: [],
  sampled: { events: 8, of: 8 },
  stages: [],
  authenticators: [],
  second_factor: [],
  certificates: [],
  unsigned_clients: { count: 0, first: [] },
};
const empty = { ...overview, buckets: [bucket(AT)] };

it('adds up', () => {
  expect(totals(overview)).toEqual({ accept: 4, reject: 1, challenge: 2, unanswered: 1, all: 8 });
});

it('stacks what a bar counts, the highest first, and leaves out what is none', () => {
  expect(stacked(overview)).toEqual([
    [AT / 1_000, AT / 1_000 + 30, AT / 1_000 + 60],
    [null, null, 3],
    [5, null, null],
    [null, null, 2],
    [4, null, null],
  ]);
});

it('reads a bucket', () => {
  expect(readBucket(bucket(AT, 4, 1), 30_000)).toBe('16:05:00–16:05:30: 4 accepted, 1 rejected');
  expect(readBucket(bucket(AT), 60_000)).toBe('16:05–16:06: no login');
});

it('says what the bars tell', () => {
  expect(summaryOfLogins(overview, 'hour')).toBe(
    '8 requests in the last hour: 4 accepted, 2 asked, 1 rejected, 1 unanswered. Most at 16:05:00–16:05:30: 5.',
  );
  expect(summaryOfLogins(empty, '15 minutes')).toBe('No login in the last 15 minutes.');
});

it('has the buckets with logins in its table, the newest first', () => {
  expect(tableOfLogins(overview).map((row) => row.slice(1))).toEqual([
    ['0', '2', '0', '1', '3'],
    ['4', '0', '1', '0', '5'],
  ]);
  expect(tableOfLogins(empty)).toEqual([]);
});

it('tells how long a stage took', () => {
  const times = { count: 3, p50_us: 1_800, p90_us: 3_000, p99_us: 9_000 };
  const stage = { stage: 'primary' as const, ...times, buckets: [{ at_ms: AT, ...times }] };
  expect(lines(stage)).toEqual([[AT / 1_000], [1.8], [9]]);
  expect(summaryOfStage(stage)).toMatch(
    /^Half of 3 requests waited 1\.80 ms at most, .* Slowest at 16:05: p99 9\.00 ms\.$/,
  );
});

it('says what a bar counts', () => {
  expect(barOf({ bucket_ms: 10_000 })).toBe('each bar is 10 s');
  expect(barOf({ bucket_ms: 720_000 })).toBe('each bar is 12 min');
});
