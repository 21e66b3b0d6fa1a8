import { expect, test } from 'vitest';
import { shown } from './diff';

test('certificates are named by their number and their end', () => {
  const one = '-----BEGIN CERTIFICATE-----\nMIIBoz\nAbCdEf+/12==\n-----END CERTIFICATE-----\n';
  expect(shown(one)).toBe('PEM, 1 part, ends in …AbCdEf+/12==');
  expect(shown({ ca: one + one })).toContain('"ca": "PEM, 2 parts, ends in …AbCdEf+/12=="');
  expect(shown('a text')).toBe('a text');
});
