import { describe, expect, it } from 'vitest';
import { ApiError } from '@/api/client';
import { answerOf, faultsOf, requestOf, typedOf, waitingFor } from './request';

describe('what is asked for', () => {
  it('comes from the address, but never a password', () => {
    const typed = typedOf({ user: 'alice', integration: 'a', client: '192.0.2.1', node: 'n', password: 'x' });
    expect(typed).toEqual({
      user: 'alice',
      password: '',
      integration: 'a',
      client: '192.0.2.1',
      calling_station: '',
      node: 'n',
    });
  });

  it('has what was filled in, and nothing else', () => {
    const typed = { ...typedOf({}), user: 'alice', integration: 'a', password: 'x' };
    expect(requestOf(typed)).toEqual({ user: 'alice', integration: 'a', password: 'x' });
    expect(
      requestOf({ ...typed, client: ' 192.0.2.1 ', calling_station: '198.51.100.7', node: 'n' }),
    ).toEqual({
      user: 'alice',
      integration: 'a',
      password: 'x',
      client: '192.0.2.1',
      calling_station_id: '198.51.100.7',
      node: 'n',
    });
  });

  it('as an answer has no password', () => {
    const typed = { ...typedOf({ user: 'alice', integration: 'a' }), password: 'x' };
    expect(answerOf({ ...typed, node: 'one' }, '', '1', 'one:abc')).toEqual({
      user: 'alice',
      integration: 'a',
      answer: '1',
      state: 'one:abc',
    });
    expect(answerOf(typed, 'two', '1', 'one:abc').node).toBe('two');
  });
});

it('faults stand at their fields, and others beside the form', () => {
  const error = new ApiError(
    422,
    {
      type: 'urn:countersign:problem:invalid',
      title: 'x',
      status: 422,
      detail: 'x',
      errors: [
        { path: 'calling_station_id', message: 'has at most 253 octets on one line' },
        { path: 'user', message: 'has 1 to 253 octets' },
        { path: 'state', message: 'is of no question that is open' },
      ],
    },
    null,
  );
  const { at, rest } = faultsOf(error);
  expect(at).toEqual({
    calling_station: 'Has at most 253 octets on one line.',
    user: 'Has 1 to 253 octets.',
  });
  expect((rest as ApiError).problem.errors?.map(({ path }) => path)).toEqual(['state']);
});

it('what is waited for is said', () => {
  expect(waitingFor(0)).toBe('Logging in…');
  expect(waitingFor(5)).toContain('phone');
  expect(waitingFor(90)).toContain('three minutes');
});
