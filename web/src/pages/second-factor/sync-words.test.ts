import { expect, test } from 'vitest';
import { behind, behindSaid, type LastSync, listed, remarks } from './sync-words';

const DAY = 86_400;
const sync = (source: string, more: Partial<LastSync> = {}): LastSync => ({
  source,
  at: 100 * DAY,
  outcome: 'done',
  why: '',
  taken_at: 100 * DAY,
  people: 3,
  ...more,
});

test.each([
  ['ad_client', { section: 'ad_client' }],
  ['ad_client2/cn=vpn,dc=example', { section: 'ad_client2', groupDn: 'cn=vpn,dc=example' }],
  ['ad_client/cn=a/b,dc=example', { section: 'ad_client', groupDn: 'cn=a/b,dc=example' }],
])('the list %s is a section, and a group there', (source, want) => {
  expect(listed(source)).toEqual(want);
});

test('a list is behind where nothing was done', () => {
  const syncs = (['done', 'partly', 'refused', 'failed'] as const).map((outcome) =>
    sync(outcome, { outcome }),
  );
  expect(behind(syncs).map(({ source }) => source)).toEqual(['refused', 'failed']);
  expect(behindSaid(behind(syncs))).toContain('2 lists were not done: refused; failed.');
  expect(behindSaid([sync('ad_client')])).toContain('of ad_client was not done.');
});

test.each<[string, LastSync, string[] | undefined, number, number]>([
  ['one that is followed', sync('ad_client'), ['ad_client'], 101, 0],
  ['one whose section is gone', sync('ad_client2/cn=a'), ['ad_client'], 101, 1],
  ['one whose sections are not read yet', sync('ad_client2/cn=a'), undefined, 101, 0],
  ['one of 30 days', sync('ad_client', { at: 130 * DAY }), ['ad_client'], 130, 0],
  ['one older than that', sync('ad_client', { at: 130 * DAY }), ['ad_client'], 130.1, 1],
  ['one that is both', sync('ad_client2'), [], 200, 2],
])('of %s it is said what should be known', (_, one, sections, days, want) => {
  expect(remarks(one, sections, days * DAY * 1_000)).toHaveLength(want);
});
