/** The overview's numbers as charts, tables and sentences have them. Pure. */
import type { Schemas } from '@/api/client';
import type { Look } from '@/components/chart/style';
import { type Outcome, STAGES } from '@/components/login/words';
import { count, localClock, localTime, micros, plural, seconds } from '@/lib/format';

type Overview = Schemas['Overview'];
type Bucket = Schemas['OverviewBucket'];
export type StageTimes = Schemas['StageTimes'];

/** From the axis up. */
export const SHOWN: readonly { outcome: Outcome; label: string; look: Look }[] = [
  { outcome: 'accept', label: 'accepted', look: { light: '#2b8a3e', dark: '#51cf66', fill: 'solid' } },
  { outcome: 'challenge', label: 'asked', look: { light: '#1864ab', dark: '#74c0fc', fill: 'dots' } },
  { outcome: 'reject', label: 'rejected', look: { light: '#c92a2a', dark: '#ff8787', fill: 'diagonal' } },
  { outcome: 'unanswered', label: 'unanswered', look: { light: '#a8480b', dark: '#ffc078', fill: 'cross' } },
];

export function sumOf(bucket: Bucket): number {
  return bucket.accept + bucket.reject + bucket.challenge + bucket.unanswered;
}

/** How many of each outcome there were in all. */
export function totals({ buckets }: Overview): Record<Outcome, number> & { all: number } {
  const sum = { accept: 0, reject: 0, challenge: 0, unanswered: 0, all: 0 };
  for (const bucket of buckets) {
    for (const { outcome } of SHOWN) sum[outcome] += bucket[outcome];
    sum.all += sumOf(bucket);
  }
  return sum;
}

/** Bars on top of each other: the highest first, since each is drawn over the one before. */
export function stacked({ buckets }: Overview): (number | null)[][] {
  const layers = SHOWN.map((_, top) =>
    buckets.map((bucket) => {
      const own = SHOWN[top] && bucket[SHOWN[top].outcome];
      if (!own) return null;
      return SHOWN.slice(0, top + 1).reduce((sum, { outcome }) => sum + bucket[outcome], 0);
    }),
  );
  return [buckets.map(({ at_ms }) => at_ms / 1_000), ...layers.reverse()];
}

/** What one bar counts. */
export function barOf({ bucket_ms }: Pick<Overview, 'bucket_ms'>): string {
  return `each bar is ${seconds(bucket_ms / 1_000)}`;
}

function spanOf(at: number, length: number): string {
  return length % 60_000 === 0
    ? `${localClock(at).slice(0, 5)}–${localClock(at + length).slice(0, 5)}`
    : `${localClock(at)}–${localClock(at + length)}`;
}

/** `16:05–16:06: 3 accepted, 1 rejected`. */
export function readBucket(bucket: Bucket, length: number): string {
  const parts = SHOWN.filter(({ outcome }) => bucket[outcome] > 0).map(
    ({ outcome, label }) => `${count(bucket[outcome])} ${label}`,
  );
  return `${spanOf(bucket.at_ms, length)}: ${parts.join(', ') || 'no login'}`;
}

/** What the bars tell, in words. */
export function summaryOfLogins(overview: Overview, window: string): string {
  const sum = totals(overview);
  if (sum.all === 0) return `No login in the last ${window}.`;
  const parts = SHOWN.filter(({ outcome }) => sum[outcome] > 0).map(
    ({ outcome, label }) => `${count(sum[outcome])} ${label}`,
  );
  const most = overview.buckets.reduce((best, bucket) => (sumOf(bucket) > sumOf(best) ? bucket : best));
  return `${plural(sum.all, 'request')} in the last ${window}: ${parts.join(', ')}. Most at ${spanOf(
    most.at_ms,
    overview.bucket_ms,
  )}: ${count(sumOf(most))}.`;
}

/** Those with any login, the newest first. */
export function tableOfLogins({ buckets }: Overview): string[][] {
  return buckets
    .filter((bucket) => sumOf(bucket) > 0)
    .map((bucket) => [
      localTime(bucket.at_ms),
      ...SHOWN.map(({ outcome }) => count(bucket[outcome])),
      count(sumOf(bucket)),
    ])
    .reverse();
}

/** Under the names that the steps of a login have. */
export const STAGE_WORDS: Record<string, { label: string; about: string }> = {
  primary: {
    label: STAGES.primary.word,
    about: 'until the directory or the upstream had checked the password',
  },
  preauth: {
    label: STAGES.preauth.word,
    about: 'until the second factor had said what the user can do',
  },
  factor: {
    label: STAGES.factor.word,
    about: 'until somebody had answered: this one waits for a person',
  },
};

/** The newest bucket of a stage: how it is now. */
export function nowOf({ buckets }: StageTimes) {
  return buckets.at(-1);
}

/** Lines of half and of nearly all, in milliseconds. */
export function lines({ buckets }: StageTimes): (number | null)[][] {
  return [
    buckets.map(({ at_ms }) => at_ms / 1_000),
    buckets.map(({ p50_us }) => p50_us / 1_000),
    buckets.map(({ p99_us }) => p99_us / 1_000),
  ];
}

export function readStage(bucket: StageTimes['buckets'][number], length: number): string {
  return `${spanOf(bucket.at_ms, length)}: p50 ${micros(bucket.p50_us)}, p99 ${micros(bucket.p99_us)} of ${plural(bucket.count, 'request')}`;
}

export function summaryOfStage(stage: StageTimes): string {
  const words = STAGE_WORDS[stage.stage];
  const most = stage.buckets.reduce<StageTimes['buckets'][number] | null>(
    (worst, bucket) => (worst && worst.p99_us >= bucket.p99_us ? worst : bucket),
    null,
  );
  return `Half of ${plural(stage.count, 'request')} waited ${micros(stage.p50_us)} at most, 99 of 100 ${micros(
    stage.p99_us,
  )}, ${words?.about ?? ''}.${most ? ` Slowest at ${localClock(most.at_ms).slice(0, 5)}: p99 ${micros(most.p99_us)}.` : ''}`;
}

export function tableOfStage({ buckets }: StageTimes): string[][] {
  return [...buckets]
    .reverse()
    .map(({ at_ms, count: times, p50_us, p90_us, p99_us }) => [
      localTime(at_ms),
      count(times),
      micros(p50_us),
      micros(p90_us),
      micros(p99_us),
    ]);
}
