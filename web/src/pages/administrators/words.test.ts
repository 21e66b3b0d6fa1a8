import { expect, test } from 'vitest';
import type { Administrator } from './queries';
import { invitationLink, isLastAdmin, standingOf } from './words';

const nora: Administrator = {
  name: 'nora',
  role: 'admin',
  active: true,
  created_by: 'setup link',
  created_at_ms: 0,
};
const bob: Administrator = { ...nora, name: 'bob', active: false, invited_until_ms: 1_000 };

const known = new Set(['vpn']);
const atVpn: Administrator = { ...nora, name: 'carol', integration: 'vpn' };
const atNone: Administrator = { ...atVpn, name: 'dave', integration: 'old-vpn' };

test.each([
  ['took the invitation', nora, 5_000, 'active'],
  ['is invited', bob, 999, 'invited'],
  ['is past the end', bob, 1_000, 'late'],
  ['is asked by an integration that there is', atVpn, 0, 'active'],
  ['is asked by one that is gone', atNone, 0, 'locked'],
  ['is invited with one that is gone', { ...bob, integration: 'old-vpn' }, 999, 'locked'],
] as const)('who %s', (_what, one, now, want) => {
  expect(standingOf(one, now, known)).toBe(want);
});

test('nobody is said to be locked out while the integrations are not read', () => {
  expect(standingOf(atNone, 0, undefined)).toBe('active');
});

test.each([
  ['alone', [nora], true],
  ['with one who is only invited', [nora, bob], true],
  ['with a viewer', [nora, { ...bob, active: true, role: 'viewer' as const }], true],
  ['with another admin', [nora, { ...bob, active: true }], false],
  ['with one whose second factor is gone', [nora, atNone], true],
  ['with one whose second factor is there', [nora, atVpn], false],
])('the last admin is one who is %s', (_what, all, want) => {
  expect(isLastAdmin(nora, all, known)).toBe(want);
});

test('an operator is never the last admin', () => {
  const eve = { ...nora, role: 'operator' as const };
  expect(isLastAdmin(eve, [eve], known)).toBe(false);
});

test('the link has the invitation where no log has it', () => {
  const link = new URL(invitationLink('https://gate.example.com:8400', 'cst_1_2'));
  expect(link.pathname).toBe('/invitation');
  expect(link.hash).toBe('#cst_1_2');
  expect(link.search).toBe('');
});
