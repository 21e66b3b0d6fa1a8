// @vitest-environment jsdom
import { afterEach, expect, it } from 'vitest';
import { forgetWanted, keepWanted, wanted } from './sign-in-memory';

afterEach(() => {
  sessionStorage.clear();
});

it('where somebody wanted to go outlives the provider, until it is reached', () => {
  keepWanted('/logins?user=alice', 1_000);
  expect(wanted(2_000)).toBe('/logins?user=alice');
  forgetWanted();
  expect(wanted(2_000)).toBeUndefined();
});

it('it is forgotten with the sign-in, and by the next one', () => {
  keepWanted('/logins', 1_000);
  expect(wanted(601_000)).toBeUndefined();
  keepWanted('/logins', 1_000);
  keepWanted(undefined, 1_000);
  expect(wanted(1_000)).toBeUndefined();
});

it.each(['//example.com', 'https://example.com', '/sign-in?to=%2F'])('%s is not kept', (to) => {
  keepWanted(to, 1_000);
  expect(wanted(1_000)).toBeUndefined();
});

it('what somebody else wrote there is nothing', () => {
  sessionStorage.setItem('countersign-wanted', '{"to":"//example.com","at":1000}');
  expect(wanted(1_000)).toBeUndefined();
  sessionStorage.setItem('countersign-wanted', '{');
  expect(wanted(1_000)).toBeUndefined();
});
