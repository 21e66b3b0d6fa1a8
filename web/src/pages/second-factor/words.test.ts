import { describe, expect, it } from 'vitest';
import {
  deviceLabel,
  devicesOf,
  goesWith,
  isBare,
  isFilter,
  isLocalOnly,
  listed,
  orderOf,
  pageOf,
  scriptWords,
  secondsLeft,
  type User,
  uses,
} from './words';

const device = (more: Partial<User['devices'][number]> = {}): User['devices'][number] => ({
  id: 'DPAAAA',
  kind: 'phone',
  name: '',
  number: 'XXX-XXX-0100',
  capabilities: { push: true, phone: false, sms: false },
  ...more,
});
const user = (name: string, more: Partial<User> = {}): User => ({
  id: `DU${name}`,
  name,
  status: 'active',
  failures: 0,
  bypass_codes: 0,
  devices: [],
  ...more,
});

const alice = user('alice', { devices: [device()], bypass_codes: 2 });
const bob = user('Bob', {
  status: 'locked_out',
  failures: 10,
  devices: [device({ name: 'red phone', id: 'DPB' })],
});
const carol = user('carol', { failures: 3, script: { answer: 'deny', after_ms: 0 } });
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

describe('devices', () => {
  it('are named by what is known of them', () => {
    expect(deviceLabel(device())).toBe('XXX-XXX-0100 (phone)');
    expect(deviceLabel(device({ name: 'mine' }))).toBe('mine (phone)');
    expect(deviceLabel(device({ kind: 'totp', number: '' }))).toBe('authenticator app');
  });

  it('are for what they can do', () => {
    expect(uses(device({ capabilities: { push: true, phone: true, sms: true } }))).toEqual([
      'push',
      'call',
      'SMS passcodes',
    ]);
    expect(uses(device({ kind: 'hotp' }))).toEqual(['passcodes']);
  });

  it('are listed by user, and narrowed by kind and text', () => {
    const all = [user('zoe', { devices: [device({ kind: 'totp', id: 'DH1', name: 'token' })] }), alice];
    expect(devicesOf(all, {}).map(({ user: of }) => of.name)).toEqual(['alice', 'zoe']);
    expect(devicesOf(all, { kind: 'totp' }).map(({ device: one }) => one.id)).toEqual(['DH1']);
    expect(devicesOf(all, { text: 'tok' }).map(({ device: one }) => one.id)).toEqual(['DH1']);
    expect(devicesOf(all, { text: 'zoe', kind: 'phone' })).toEqual([]);
  });
});

describe('words', () => {
  it('say what goes with a user', () => {
    expect(goesWith(user('x'))).toBe('There is no device and no bypass code to go with it.');
    expect(goesWith(user('x', { devices: [device()] }))).toBe('With it go: 1 device.');
    expect(goesWith({ ...alice, script: { answer: 'approve', after_ms: 0 } })).toBe(
      'With it go: 1 device, 2 bypass codes and the script.',
    );
  });

  it('say who is to enrol, and what a script does', () => {
    expect(isBare(carol)).toBe(true);
    expect(isBare(user('x', { bypass_codes: 1 }))).toBe(false);
    expect(scriptWords({ answer: 'approve', after_ms: 1500 })).toBe('approve, after 1500 ms');
    expect(scriptWords({ answer: 'ignore', after_ms: 9 })).toBe('do nothing');
  });

  it('count a push down to nothing', () => {
    expect(secondsLeft(0, 0)).toBe(60);
    expect(secondsLeft(12, 2_900)).toBe(46);
    expect(secondsLeft(12, -500)).toBe(48);
    expect(secondsLeft(59, 5_000)).toBe(0);
  });

  it('know an address that no phone reaches', () => {
    for (const [url, want] of [
      ['https://localhost:8402/approve/X', true],
      ['https://127.0.0.9/activate/X', true],
      ['https://[::1]:8402/', true],
      ['https://factor.example.com:8402/', false],
      ['https://localhost.example.com/', false],
      ['nonsense', false],
    ] as const) {
      expect(isLocalOnly(url), url).toBe(want);
    }
  });
});
