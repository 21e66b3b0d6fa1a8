import { expect, test } from 'vitest';
import { isThere, THERE_MS } from './presence';

test('somebody is there for a minute after each key, and then no more', () => {
  const before = Date.now();
  window.dispatchEvent(new KeyboardEvent('keydown', { key: 'a' }));
  expect(isThere(before + THERE_MS - 1)).toBe(true);
  expect(isThere(Date.now() + THERE_MS)).toBe(false);
});
