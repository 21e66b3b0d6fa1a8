import { expect, test } from 'vitest';
import { filterOf, fromField, toField } from './filter';

test('of an address the filters alone count, and blanks are none', () => {
  expect(filterOf({ actor: 'admin nora', action: ' ', cursor: '7', to: undefined })).toEqual({
    actor: 'admin nora',
  });
});

test('a moment goes into the field and comes back the same', () => {
  for (const moment of ['2026-11-22T15:00:00Z', '2026-03-29T01:30:00Z']) {
    expect(fromField(toField(moment))).toBe(moment);
  }
});

test('milliseconds are a moment too', () => {
  expect(fromField(toField('1795359600000'))).toBe('2026-11-22T15:00:00Z');
});

test.each(['', 'yesterday', '2026-13-45'])('%j is no moment: the field is empty', (text) => {
  expect(toField(text)).toBe('');
  expect(fromField(text)).toBe('');
});
