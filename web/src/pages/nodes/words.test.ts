import { describe, expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { faultsFirst, isOwn, joinAddress, joinCommand, nameFault, servesOf, stateOf } from './words';

const node: Schemas['NodeView'] = { node: 'b', connected: true, last_seen_ms: 1, applied: 3 };
const refused = { revision: 3, at_ms: 1, faults: [] };

describe('stateOf', () => {
  it.each<[string, Partial<Schemas['NodeView']>, string]>([
    ['is up to date', {}, 'serving'],
    ['is away, whatever else', { connected: false, refused, draining: true }, 'away'],
    ['refused', { refused, draining: true }, 'refused'],
    ['is drained', { draining: true, applied: 2 }, 'drained'],
    ['serves nothing', { applied: null }, 'starting'],
    ['is behind', { applied: 2 }, 'behind'],
  ])('%s', (_name, more, want) => expect(stateOf({ ...node, ...more }, 3).word).toBe(want));
});

it('says of no node that it serves what it never had', () => {
  const fresh = { ...node, applied: null };
  expect(stateOf({ ...fresh, refused }, 3).about).toBe(
    'It refused the last revision, and serves nothing: it has no revision yet.',
  );
  expect(stateOf({ ...fresh, connected: false }, 3).about).not.toContain('serves what it had');
  expect(stateOf({ ...node, applied: 2, refused }, 3).about).toContain('serves revision 2');
  expect(servesOf({})).toContain('nothing');
});

it.each([
  ['https://127.0.0.1:8503', true],
  ['https://localhost:8503', true],
  ['https://[::1]:8503', true],
  ['https://192.0.2.1:8503', false],
  ['https://gw.example.com', false],
  ['127.0.0', false],
])('that a machine reaches itself alone at %s: %s', (address, own) => expect(isOwn(address)).toBe(own));

it('shows faults first, else in order', () => {
  const row = (found: string, result: Schemas['CheckResult']): Schemas['CheckRow'] => ({
    found,
    result,
    milliseconds: 1,
    what: 'port',
    where: '',
  });
  const rows = [
    row('a', 'good'),
    row('b', 'warning'),
    row('c', 'failed'),
    row('d', 'good'),
    row('e', 'failed'),
  ];
  expect(faultsFirst(rows).map(({ found }) => found)).toEqual(['c', 'e', 'b', 'a', 'd']);
});

it.each([
  ['192.0.2.1:8403', 'https://192.0.2.1:8403'],
  ['0.0.0.0:9000', 'https://gw.example.com:9000'],
  ['[::]:8403', 'https://gw.example.com:8403'],
  ['[2001:db8::1]:8403', 'https://[2001:db8::1]:8403'],
])('from %s nodes ask %s', (listens, want) => expect(joinAddress(listens, 'gw.example.com')).toBe(want));

it('has the token in no argument', () => {
  const lines = joinCommand('https://192.0.2.1:8403', 'cst_1', 'b').split('\n');
  expect(lines).toEqual([
    "countersign node join https://192.0.2.1:8403 --name=b --token-file - <<'TOKEN'",
    'cst_1',
    'TOKEN',
  ]);
  expect(joinCommand('https://a:1', 't', '')).not.toContain('--name');
});

it.each([
  ['', true],
  ['edge-2.example', true],
  ['a b', false],
  ["'; rm", false],
  ['x'.repeat(129), false],
])('takes the name %j: %s', (name, good) => expect(nameFault(name) === null).toBe(good));
