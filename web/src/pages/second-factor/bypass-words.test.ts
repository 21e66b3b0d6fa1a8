import { expect, test } from 'vitest';
import { AT, bypassUntil, HOW_LONG, LASTING, statusBody } from './bypass-words';

const NOW = new Date('2026-03-01T12:00:30.500').getTime();

test.each([
  ['an hour', '3600', '', { until: Math.floor(NOW / 1_000) + 3_600 }],
  ['lasting', LASTING, '', { until: null }],
  ['a time that was typed is forgotten', LASTING, '2026-03-01T18:00', { until: null }],
  ['a time', AT, '2026-03-01T18:00', { until: new Date('2026-03-01T18:00').getTime() / 1_000 }],
  ['the minute that runs', AT, '2026-03-01T12:00', { fault: 'That is over already.' }],
  ['the next minute', AT, '2026-03-01T12:01', { until: new Date('2026-03-01T12:01').getTime() / 1_000 }],
  ['no time', AT, '', { fault: 'Say a day and a time.' }],
  ['what is none', AT, 'tomorrow', { fault: 'Say a day and a time.' }],
])('a bypass until %s', (_, long, at, found) => {
  expect(bypassUntil(long, at, NOW)).toEqual(found);
});

test('each choice has an end or a field for it', () => {
  for (const { value } of HOW_LONG)
    expect(bypassUntil(value, '2027-01-01T00:00', NOW)).toHaveProperty('until');
});

test('only a bypass has an end', () => {
  expect(statusBody('bypass', 7)).toEqual({ status: 'bypass', bypass_until: 7 });
  expect(statusBody('bypass', null)).toEqual({ status: 'bypass' });
  expect(statusBody('active', 7)).toEqual({ status: 'active' });
});
