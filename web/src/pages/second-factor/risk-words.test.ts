import { expect, test } from 'vitest';
import { isIncidentKind, whence } from './risk-words';

test('where a login came from is said as far as it is known', () => {
  expect(whence({ application: 'vpn', ip: '192.0.2.7' })).toBe('vpn, from 192.0.2.7');
  expect(whence({ application: 'vpn', ip: '' })).toBe('vpn');
  expect(whence({ application: '', ip: '192.0.2.7' })).toBe('from 192.0.2.7');
  expect(whence({ application: '', ip: '' })).toBe('');
});

test('only a kind that there is narrows a list', () => {
  expect(isIncidentKind('replay')).toBe(true);
  expect(isIncidentKind('toString')).toBe(false);
  expect(isIncidentKind(undefined)).toBe(false);
});
