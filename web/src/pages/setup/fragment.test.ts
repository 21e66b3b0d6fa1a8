// @vitest-environment jsdom
import { afterEach, expect, it } from 'vitest';
import { forgetFragments, readFragment, takeFragment } from './fragment';

afterEach(forgetFragments);

it.each([
  ['', undefined],
  ['#', undefined],
  ['#cst_1_2', { token: 'cst_1_2', name: '' }],
  ['#cst_1_2&name=alice%40example.com', { token: 'cst_1_2', name: 'alice@example.com' }],
])('%s', (hash, want) => {
  expect(readFragment(hash)).toEqual(want);
});

it('the token leaves the address and stays in memory until it is used', () => {
  window.history.replaceState({ kept: 1 }, '', '/setup?a=1#cst_1_2');
  expect(takeFragment()).toEqual({ token: 'cst_1_2', name: '' });
  expect(window.location.href).toMatch(/\/setup\?a=1$/);
  expect(window.history.state).toEqual({ kept: 1 });
  expect(takeFragment()?.token).toBe('cst_1_2');
  forgetFragments();
  expect(takeFragment()).toBeUndefined();
});
