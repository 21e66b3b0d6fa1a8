import { expect, it, vi } from 'vitest';
import { ApiError } from '@/api/client';
import { troublesOf } from './troubles';

const INTERNAL = 'urn:countersign:problem:internal';
const away = () =>
  new ApiError(0, { type: INTERNAL, title: 'No answer', status: 0, detail: 'No answer.' }, null);
const refused = new ApiError(
  403,
  { type: INTERNAL, title: 'x', status: 403, detail: 'Not for viewers.' },
  'r1',
);
const asked = (error: unknown, data?: unknown) => ({ error, data, refetch: vi.fn() });

it('says once what all have in common, and asks all of them again', () => {
  const all = [asked(away()), asked(away(), 1), asked(null, 2), asked(refused, 3)];
  const troubles = troublesOf(all);
  expect(troubles.map(({ error, isOld }) => [(error as ApiError).status, isOld])).toEqual([
    [0, false],
    [403, true],
  ]);
  troubles[0]?.retry();
  expect(all.map(({ refetch }) => refetch.mock.calls.length)).toEqual([1, 1, 0, 0]);
});

it('has none where nothing failed', () => expect(troublesOf([asked(null)])).toEqual([]));
