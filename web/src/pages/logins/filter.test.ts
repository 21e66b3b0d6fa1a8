import { describe, expect, it } from 'vitest';
import {
  exportAddress,
  faultOf,
  filterOf,
  fromLocalInput,
  mayGrow,
  queryOf,
  takenFrom,
  toLocalInput,
  wordsOf,
} from './filter';

const NOW = Date.parse('2026-11-22T15:00:00Z');

describe('the filter of an address', () => {
  it('has what narrows the list, and nothing else', () => {
    expect(filterOf({ user: 'alice', open: 'abc', reason: 'denied', other: 'x', text: '' })).toEqual({
      user: 'alice',
      reason: 'denied',
    });
  });

  it('leaves out what the gateway would refuse', () => {
    expect(
      filterOf({
        outcome: 'maybe',
        since: '2y',
        from: 'soon',
        test: 'perhaps',
        client: 'router',
        factor: 'eye',
      }),
    ).toEqual({});
    expect(filterOf({ outcome: 'toString', reason: 'toString', factor: 'toString' })).toEqual({});
    expect([...(filterOf({ text: 'ä'.repeat(300) }).text ?? '')]).toHaveLength(200);
  });

  it('takes a span for more than a beginning', () => {
    expect(filterOf({ since: '1h', from: '2026-11-22T00:00:00Z' })).toEqual({ since: '1h' });
  });

  it.each(['192.0.2.1', '2001:db8::1', '::1'])('takes the address %s', (client) => {
    expect(filterOf({ client })).toEqual({ client });
    expect(faultOf('client', client)).toBeNull();
  });

  it('says what an address is', () => expect(faultOf('client', 'dc1.example.com')).toContain('192.0.2.10'));
});

describe('the query of a filter', () => {
  it('is in milliseconds, and a span ends now', () => {
    expect(queryOf({ since: '1h', user: 'a b' }, NOW)).toEqual({
      user: 'a b',
      from: String(NOW - 3_600_000),
    });
    expect(queryOf({ from: '2026-11-22T14:00:00Z', to: '2026-11-22T15:00:00Z' }, NOW)).toEqual({
      from: String(NOW - 3_600_000),
      to: String(NOW),
    });
  });

  it('is that of the export too', () => {
    expect(exportAddress({ user: 'a&b', test: 'false' }, 'csv', NOW)).toBe(
      '/api/v1/events?user=a%26b&test=false&format=csv',
    );
  });

  it('can grow unless its end is past', () => {
    expect(mayGrow({}, NOW)).toBe(true);
    expect(mayGrow({ to: '2026-11-22T14:59:59Z' }, NOW)).toBe(false);
    expect(mayGrow({ to: '2026-11-22T16:00:00Z' }, NOW)).toBe(true);
  });
});

describe('words and fields', () => {
  it('are as people say it', () => {
    expect(wordsOf('reason', 'wrong_password')).toBe('reason: wrong password');
    expect(wordsOf('test', 'false')).toBe('tests: hidden');
    expect(wordsOf('since', '1d')).toBe('time: last day');
    expect(wordsOf('user', 'alice')).toBe('user: alice');
  });

  it('read a local moment as it was written', () => {
    const moment = fromLocalInput('2026-11-22T16:30');
    expect(moment).toMatch(/^2026-11-2\dT\d\d:\d\d:00Z$/);
    expect(toLocalInput(moment)).toBe('2026-11-22T16:30');
    expect(fromLocalInput('')).toBe('');
    expect(toLocalInput(undefined)).toBe('');
  });

  it('leave a moment with seconds as it is, until somebody changes it', () => {
    const moment = '2026-11-22T15:00:07.123Z';
    expect(takenFrom(toLocalInput(moment), moment)).toBeUndefined();
    expect(takenFrom('', undefined)).toBeUndefined();
    expect(takenFrom('', moment)).toBe('');
    expect(takenFrom('2026-11-22T16:30', moment)).toBe(fromLocalInput('2026-11-22T16:30'));
  });
});
