import { expect, test } from 'vitest';
import { changeLines, changesSaid, howMany, isPossible, type Taken, type UserChanges } from './changes-words';

const none: UserChanges = { done: false, created: [], changed: [], missing: [], refused: [], unchanged: 0 };

test.each<[string, Partial<UserChanges>, string, number]>([
  ['nothing', { unchanged: 1 }, 'Nothing would change: 1 user is so already.', 0],
  ['a new one', { created: ['a'] }, '1 new user.', 1],
  [
    'some of all',
    { created: ['a', 'b'], changed: [{ name: 'c', fields: ['email'] }], missing: ['d'], unchanged: 4 },
    '2 new users, 1 changed, 1 missing there, 4 as before.',
    4,
  ],
  [
    'a refusal',
    { created: ['a'], refused: [{ line: 3, name: 'x', why: 'no' }] },
    'Nothing is taken in: 1 line is not possible.',
    1,
  ],
])('%s is said', (_, changes, said, many) => {
  expect(changesSaid({ ...none, ...changes }, 'whole')).toBe(said);
  expect(howMany({ ...none, ...changes })).toBe(many);
});

const refused = [{ name: 'cn=printer', why: 'has no name' }];

test.each<[string, Partial<UserChanges>, Taken, string, boolean]>([
  ['a file', { created: ['a'], refused }, 'whole', 'Nothing is taken in: 1 line is not possible.', false],
  ['a directory', { created: ['a'], refused }, 'rest', '1 new user. Left out, as not possible: 1.', true],
  [
    'a directory that has nothing else',
    { unchanged: 2, refused },
    'rest',
    'Nothing would change: 2 users are so already. Left out, as not possible: 1.',
    true,
  ],
  [
    'a file that has nothing else',
    { unchanged: 2 },
    'whole',
    'Nothing would change: 2 users are so already.',
    false,
  ],
  ['a list that is taken off', { missing: ['a'] }, 'off', '1 on no other list.', true],
  ['a list that has nobody', {}, 'off', 'Nothing would change: 0 users are so already.', true],
  [
    'a directory that answers half',
    { missing: ['a'], refused, needs_force: '17 of the 20 users would be disabled' },
    'rest',
    'Nothing is taken in: 17 of the 20 users would be disabled.',
    false,
  ],
  ['a directory without', { created: ['a'] }, 'rest', '1 new user.', true],
])('of %s what is refused stops the rest or not', (_, changes, taken, said, possible) => {
  expect(changesSaid({ ...none, ...changes }, taken)).toBe(said);
  expect(isPossible({ ...none, ...changes }, taken)).toBe(possible);
});

test('what is refused comes first, with its line', () => {
  const lines = changeLines(
    {
      ...none,
      created: ['a'],
      changed: [
        { name: 'c', fields: ['full_name', 'groups'] },
        { name: 'anna', now: 'anna.smith', fields: ['name', 'aliases'] },
      ],
      refused: [
        { line: 3, name: '', why: 'a name is missing' },
        { name: 'dn', why: 'has no name' },
      ],
    },
    'whole',
  );
  expect(lines.map(({ what, name, more }) => [what, name, more])).toEqual([
    ['refused', '(no name)', 'Line 3: a name is missing'],
    ['refused', 'dn', 'has no name'],
    ['changed', 'c', 'full name, groups'],
    ['changed', 'anna → anna.smith', 'name, aliases'],
    ['new', 'a', ''],
  ]);
});

test.each<[Taken, string]>([
  ['rest', 'not there any more'],
  ['off', 'on no other list'],
])('who is missing is said why (%s)', (taken, more) => {
  expect(changeLines({ ...none, missing: ['a'] }, taken)).toMatchObject([{ name: 'a', more }]);
});
