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

test.each([
  ['took the invitation', nora, 5_000, 'active'],
  ['is invited', bob, 999, 'invited'],
  ['is past the end', bob, 1_000, 'late'],
] as const)('who %s', (_what, one, now, want) => {
  expect(standingOf(one, now)).toBe(want);
});

test.each([
  ['alone', [nora], true],
  ['with one who is only invited', [nora, bob], true],
  ['with a viewer', [nora, { ...bob, active: true, role: 'viewer' as const }], true],
  ['with another admin', [nora, { ...bob, active: true }], false],
])('the last admin is one who is %s', (_what, all, want) => {
  expect(isLastAdmin(nora, all)).toBe(want);
});

test('an operator is never the last admin', () => {
  const eve = { ...nora, role: 'operator' as const };
  expect(isLastAdmin(eve, [eve])).toBe(false);
});

test('the link has the invitation where no log has it', () => {
  const link = new URL(invitationLink('https://gate.example.com:8400', 'cst_1_2'));
  expect(link.pathname).toBe('/invitation');
  expect(link.hash).toBe('#cst_1_2');
  expect(link.search).toBe('');
});
