import { expect, test } from 'vitest';
import {
  ALL_FIELDS,
  type Draft,
  draftOf,
  faultsOf,
  inherited,
  inOrder,
  lines,
  type Policy,
  policyOf,
  says,
  sourceWords,
  whose,
} from './policy-words';

test.each<[string, Policy, string[]]>([
  ['nothing', {}, []],
  ['factors', { allowed_factors: ['passcode', 'push'] }, ['push, passcode of an app or token']],
  [
    'all factors',
    { allowed_factors: ['push', 'passcode', 'sms', 'email', 'phone', 'bypass_code'] },
    ['everything'],
  ],
  ['an hour', { remember_hours: 1 }, ['1 hour']],
  ['no hours', { remember_hours: 0 }, ['never']],
  ['networks', { exempt_networks: ['192.0.2.0/24', '2001:db8::/32'] }, ['192.0.2.0/24, 2001:db8::/32']],
  ['no network', { exempt_networks: [] }, ['none']],
  ['more', { new_users: 'deny', number_matching: 'always' }, ['are refused', 'always']],
  ['fatigue', { push_fatigue_after: 2, push_fatigue_minutes: 5 }, ['2 in a row', '5 minutes']],
])('a policy that says %s is put into words', (_, policy, words) => {
  expect(says(policy).map(({ value }) => value)).toEqual(words);
});

test('what a form says is what it was made of, and nothing more', () => {
  for (const policy of [
    {},
    { remember_hours: 0 },
    { exempt_networks: [] },
    { allowed_factors: ['push' as const], number_matching: 'off' as const, push_fatigue_after: 9 },
  ]) {
    expect(policyOf(draftOf(policy))).toEqual(policy);
  }
  expect(
    policyOf({ ...draftOf({}), said: ALL_FIELDS, exempt_networks: ' 10.0.0.0/8,\n\n192.0.2.1/32 ' }),
  ).toEqual({
    allowed_factors: ['push', 'passcode', 'sms', 'email', 'phone', 'bypass_code'],
    new_users: 'enroll',
    remember_hours: 12,
    exempt_networks: ['10.0.0.0/8', '192.0.2.1/32'],
    number_matching: 'always',
    push_fatigue_after: 3,
    push_fatigue_minutes: 60,
  });
});

test.each<[Partial<Draft>, string[]]>([
  [{}, []],
  [{ allowed_factors: [] }, ['allowed_factors']],
  [{ remember_hours: '721' }, ['remember_hours']],
  [{ remember_hours: '0' }, []],
  [{ push_fatigue_after: '0' }, ['push_fatigue_after']],
  [{ push_fatigue_minutes: '1.5' }, ['push_fatigue_minutes']],
  [{ push_fatigue_minutes: '' }, ['push_fatigue_minutes']],
])('%o has faults in %o', (change, faults) => {
  expect(Object.keys(faultsOf({ ...draftOf({}), said: ALL_FIELDS, ...change }))).toEqual(faults);
  // What is inherited is not looked at.
  expect(faultsOf({ ...draftOf({}), ...change })).toEqual({});
});

test('what is inherited is named with where it comes from', () => {
  expect(inherited('remember_hours', 'default', { remember_hours: 8 })).toBe('Built in: never.');
  expect(inherited('new_users', 'default', {})).toBe('Built in: as the application says.');
  expect(inherited('remember_hours', 'application', { remember_hours: 8 })).toBe(
    'As for everybody: 8 hours.',
  );
  expect(inherited('number_matching', 'application', {})).toBe(
    'As for everybody: after too many pushes in a row.',
  );
  expect(inherited('new_users', 'group', {})).toContain('as for everybody: as the application says.');
});

test('policies are listed as they are asked', () => {
  const one = (scope: 'default' | 'application' | 'group', name: string, rank = 0) => ({
    scope,
    name,
    rank,
    policy: {},
  });
  const all = [one('group', 'b', 5), one('application', 'vpn'), one('group', 'a', 9), one('default', '')];
  expect(inOrder(all).map(whose)).toEqual(['everybody', 'application vpn', 'group b', 'group a']);
});

test('lines and sources', () => {
  expect(lines('a\n b ;c,, ')).toEqual(['a', 'b', 'c']);
  expect(sourceWords('group VPN users')).toBe('policy of group VPN users');
  expect(sourceWords('default')).toBe('everybody’s policy');
  expect(sourceWords('built in')).toBe('built in');
});
