import { describe, expect, it } from 'vitest';
import { alice, carol, device, user } from '@/test/people';
import {
  canUnlock,
  deviceFacts,
  deviceLabel,
  goesWith,
  isBare,
  isLocalOnly,
  scriptWords,
  secondsLeft,
  tokensFound,
  uses,
} from './words';

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

  it('say whom there is something to unlock of', () => {
    expect(canUnlock(user('x', { status: 'locked_out' }))).toBe(true);
    expect(canUnlock(user('x', { failures: 1 }))).toBe(true);
    expect(canUnlock(user('x'))).toBe(false);
    expect(canUnlock(user('x', { status: 'disabled', failures: 1 }))).toBe(false);
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

it('finds tokens by serial number and by who has them', () => {
  const token = (serial: string, user?: string) => ({
    id: 'DH',
    serial,
    kind: 'hotp' as const,
    digits: 6,
    ...(user ? { user } : {}),
  });
  const all = [token('A-1'), token('A-2', 'erin'), token('B-1')];
  const found = (...how: [string, 'free' | 'given' | undefined]) =>
    tokensFound(all, ...how).map(({ serial }) => serial);
  expect(found('', undefined)).toEqual(['A-1', 'A-2', 'B-1']);
  expect(found('a-', 'free')).toEqual(['A-1']);
  expect(found(' ERIN ', 'given')).toEqual(['A-2']);
});

it('says what is known of a device, and nothing where nothing is', () => {
  const device = {
    id: 'DH',
    kind: 'totp' as const,
    name: '',
    number: '',
    capabilities: { push: false, phone: false, sms: false },
    bound: false,
    synced: false,
    notified: false,
    drift: 0,
  };
  expect(deviceFacts(device)).toEqual([]);
  expect(deviceFacts({ ...device, serial: 'T-1', drift: -2 })).toEqual([
    'serial T-1',
    'clock 2 steps behind',
  ]);
  expect(deviceFacts({ ...device, bound: true, notified: true, drift: 1 })).toEqual([
    'bound by a passkey',
    'gets notices',
    'clock 1 step ahead',
  ]);
  expect(deviceFacts({ ...device, bound: true, synced: true })).toEqual([
    'bound by a passkey that is synced',
  ]);
  expect(deviceFacts({ ...device, bindable_until: 20 }, 19_000)).toEqual(['no passkey yet']);
  expect(deviceFacts({ ...device, bindable_until: 20 }, 21_000)).toEqual([
    'no passkey, and its address is over',
  ]);
});
