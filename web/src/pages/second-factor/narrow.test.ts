import { describe, expect, it } from 'vitest';
import { alice, bob, carol, device, user } from '@/test/people';
import { devicesOf, isFilter, listed, orderOf, pageOf, statusOf } from './narrow';
import type { User } from './words';

const users = [carol, bob, alice];
const names = (list: User[]) => list.map(({ name }) => name);

describe('the list of users', () => {
  it('is by name whatever the case, where no other order is asked', () => {
    expect(names(listed(users, {}))).toEqual(['alice', 'Bob', 'carol']);
    expect(names(listed(users, { order: '-name' }))).toEqual(['carol', 'Bob', 'alice']);
    expect(names(listed(users, { order: 'nonsense' }))).toEqual(['alice', 'Bob', 'carol']);
  });

  it('is by count, the equal ones by name', () => {
    expect(names(listed(users, { order: '-failures' }))).toEqual(['Bob', 'carol', 'alice']);
    expect(names(listed(users, { order: '-devices' }))).toEqual(['alice', 'Bob', 'carol']);
    expect(names(listed(users, { order: 'status' }))).toEqual(['Bob', 'alice', 'carol']);
  });

  it('is narrowed by name, id, and the devices’ names and numbers', () => {
    for (const [text, want] of [
      ['BOB', ['Bob']],
      ['dualice', ['alice']],
      ['red ph', ['Bob']],
      ['0100', ['alice', 'Bob']],
      [' ', ['alice', 'Bob', 'carol']],
      ['nobody', []],
    ] as const) {
      expect(names(listed(users, { text })), text).toEqual(want);
    }
  });

  it('is narrowed by state', () => {
    for (const [filter, want] of [
      ['locked_out', ['Bob']],
      ['active', ['alice', 'carol']],
      ['failures', ['Bob', 'carol']],
      ['bare', ['carol']],
      ['script', ['carol']],
    ] as const) {
      expect(names(listed(users, { filter })), filter).toEqual(want);
    }
    expect(isFilter('bare')).toBe(true);
    expect(isFilter('toString')).toBe(false);
    expect(isFilter(undefined)).toBe(false);
  });

  it('has pages, and none behind the last', () => {
    expect(pageOf([1, 2, 3], '2', 2)).toEqual({ page: 2, pages: 2, items: [3] });
    expect(pageOf([1, 2, 3], '9', 2).page).toBe(2);
    expect(pageOf([1, 2, 3], 'x', 2).page).toBe(1);
    expect(pageOf([], undefined, 2)).toEqual({ page: 1, pages: 1, items: [] });
  });

  it('says of an order which way it goes', () => {
    expect(orderOf('-codes')).toEqual({ by: 'codes', down: true });
    expect(orderOf('-')).toEqual({ by: 'name', down: false });
  });
});

it('devices are listed by user, and narrowed by kind and text', () => {
  const all = [user('zoe', { devices: [device({ kind: 'totp', id: 'DH1', name: 'token' })] }), alice];
  expect(devicesOf(all, {}).map(({ user: of }) => of.name)).toEqual(['alice', 'zoe']);
  expect(devicesOf(all, { kind: 'totp' }).map(({ device: one }) => one.id)).toEqual(['DH1']);
  expect(devicesOf(all, { text: 'tok' }).map(({ device: one }) => one.id)).toEqual(['DH1']);
  expect(devicesOf(all, { text: 'zoe', kind: 'phone' })).toEqual([]);
});

it('the gateway narrows by a status, and by nothing else that is shown', () => {
  expect(statusOf('locked_out')).toBe('locked_out');
  expect(statusOf('bare')).toBeUndefined();
  expect(statusOf('script')).toBeUndefined();
  expect(statusOf(undefined)).toBeUndefined();
});
