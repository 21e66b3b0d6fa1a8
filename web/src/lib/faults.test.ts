import { expect, test } from 'vitest';
import { ApiError } from '@/api/client';
import { faultsOf } from './faults';

function refused(errors: { path: string; message: string }[]) {
  return new ApiError(
    422,
    { type: 'urn:countersign:problem:invalid', title: 'Invalid', status: 422, detail: 'two fields', errors },
    'r1',
  );
}

test('a field that the form has gets its fault, and nothing is left', () => {
  const { at, rest } = faultsOf(
    refused([{ path: 'name', message: 'is too long' }]),
    (path) => path === 'name',
  );
  expect(at).toEqual({ name: 'is too long' });
  expect(rest).toBeNull();
});

test('a field that the form has not is told beside it, with the id of the request', () => {
  const error = refused([
    { path: 'name', message: 'is too long' },
    { path: 'other', message: 'is unknown' },
  ]);
  const { at, rest } = faultsOf(error, (path) => path === 'name');
  expect(at).toEqual({ name: 'is too long' });
  expect(rest).toBeInstanceOf(ApiError);
  expect((rest as ApiError).problem.errors).toEqual([{ path: 'other', message: 'is unknown' }]);
  expect((rest as ApiError).requestId).toBe('r1');
});

test('two faults of one field are both told', () => {
  const error = refused([
    { path: 'name', message: 'is too long' },
    { path: 'name', message: 'has blanks' },
  ]);
  expect(faultsOf(error, () => true).at).toEqual({ name: 'is too long; has blanks' });
});

test('another error stays as it is', () => {
  const error = new TypeError('x');
  expect(faultsOf(error, () => true)).toEqual({ at: {}, rest: error });
});
