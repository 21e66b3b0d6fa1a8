import { expect, test } from 'vitest';
import { beside, shown } from './diff';

const block = (inside: string) => `-----BEGIN CERTIFICATE-----\n${inside}\n-----END CERTIFICATE-----`;
const [one, other, evil] = [block('MIIBoz\nAbCd=='), block('MIIBoz\nEfGh=='), block('MIIBoz\nEvil==')];

test('of certificates what differs is shown whole, wherever it stands', () => {
  const before = `${one}\n${other}\n`;
  expect(beside(before, `${evil}\n${other}\n`)).toBe(`1 part as on the other side, and:\n${one}`);
  expect(beside(`${evil}\n${other}\n`, before)).toBe(`1 part as on the other side, and:\n${evil}`);
  expect(beside(before, `${one}\n`)).toBe(`1 part as on the other side, and:\n${other}`);
  expect(beside(before, evil)).toBe(`${one}\n${other}`);
});

test('what is not certificates alone is shown as it is', () => {
  const text = `evil.example.com ${one}`;
  expect(beside(text, one)).toBe(text);
  expect(beside(one, undefined)).toBe(one);
  expect(shown({ ca: one, secret: { set: true, fingerprint: '0123456789abcdef' } })).toContain(
    'secret 01234567…',
  );
  expect(shown('')).toBe('""');
});
