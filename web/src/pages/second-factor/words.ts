/** Users, devices and pushes of the built-in second factor in words. Pure. */
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';

export type User = Schemas['User'];
export type Device = Schemas['Device'];
export type Push = Schemas['WaitingPush'];
export type Status = Schemas['UserStatus'];
export type Kind = Schemas['DeviceKind'];
export type HardwareToken = Schemas['HardwareToken'];
export type Answer = Schemas['ScriptAnswer'];

/** Wrong passcodes in a row that lock a user out. */
export const FAILURES_TO_LOCK = 10;

/** How long a push waits for its answer, in seconds. */
export const PUSH_WAITS = 60;

export const STATUSES: Record<Status, { word: string; colour: string; about: string }> = {
  active: { word: 'active', colour: 'green', about: 'A login needs the second factor.' },
  bypass: { word: 'bypass', colour: 'orange', about: 'A login passes with the password alone.' },
  disabled: { word: 'disabled', colour: 'gray', about: 'A login is refused.' },
  locked_out: {
    word: 'locked out',
    colour: 'red',
    about:
      'A login is refused until somebody unlocks the user: after too many wrong passcodes, or because somebody locked them.',
  },
};

/** What an administrator sets; being locked out comes by itself. */
export const CHOICES: readonly Status[] = ['active', 'bypass', 'disabled'];

export const KINDS: Record<Kind, { word: string; about: string }> = {
  phone: { word: 'phone', about: 'A browser that opens its approval page and answers pushes there.' },
  totp: { word: 'authenticator app', about: 'Shows a new passcode every 30 seconds (TOTP).' },
  hotp: { word: 'counter token', about: 'Shows the next passcode at the press of a button (HOTP).' },
  security_key: { word: 'security key', about: 'Answers pushes in a browser.' },
  email: { word: 'e-mail', about: 'Gets passcodes by e-mail.' },
};

export const ANSWERS: Record<Answer, string> = {
  approve: 'approve',
  deny: 'deny',
  fraud: 'report a fraud',
  ignore: 'do nothing',
};

/** What a device is called: its own name, else its number, else its kind. */
export function deviceName(device: Device): string {
  return device.name || device.number || KINDS[device.kind].word;
}

/** The same with its kind, where the name is not that already: `token (authenticator app)`. */
export function deviceLabel(device: Device): string {
  const name = deviceName(device);
  const kind = KINDS[device.kind].word;
  return name === kind ? kind : `${name} (${kind})`;
}

/** What one can do with it at a login. */
export function uses(device: Device): string[] {
  if (device.kind === 'security_key') return ['push'];
  if (device.kind !== 'phone') return ['passcodes'];
  const { push, phone, sms } = device.capabilities;
  return [push && 'push', phone && 'call', sms && 'SMS passcodes'].filter((use) => use !== false);
}

/** What else is known of a device, at a time. */
export function deviceFacts(device: Device, now = Date.now()): string[] {
  const steps = Math.abs(device.drift);
  return [
    device.serial && `serial ${device.serial}`,
    device.bound && (device.synced ? 'bound by a passkey that is synced' : 'bound by a passkey'),
    typeof device.bindable_until === 'number' &&
      (device.bindable_until * 1000 < now ? 'no passkey, and its address is over' : 'no passkey yet'),
    device.notified && 'gets notices',
    device.drift !== 0 && `clock ${plural(steps, 'step')} ${device.drift > 0 ? 'ahead' : 'behind'}`,
  ].filter((fact) => typeof fact === 'string' && fact !== '') as string[];
}

/** What an application does to names. */
export const NAMES: Record<Schemas['UsernameNormalization'], string> = {
  simple: 'without DOMAIN\\ and @domain',
  none: 'as they are',
};

/** How long what is made for somebody can be good for, in seconds. */
export const LIVES: readonly { value: string; label: string }[] = [
  { value: '3600', label: 'an hour' },
  { value: '86400', label: 'a day' },
  { value: '604800', label: 'a week' },
  { value: '2592000', label: '30 days' },
];

/** Nothing that could pass the second factor: to enrol first. */
export function isBare(user: User): boolean {
  return user.devices.length === 0 && user.bypass_codes === 0;
}

/** Whether there is a lock-out to end, or wrong passcodes to forget. */
export function canUnlock(user: User): boolean {
  return user.status === 'locked_out' || (user.status === 'active' && user.failures > 0);
}

/** Whether nobody has shut them out yet. */
export function canLock(user: User): boolean {
  return user.status === 'active' || user.status === 'bypass';
}

/**
 * Whether another device answers for the user: a generator, or what a passkey binds. Without one, whoever
 * knows the password could enrol a device of their own, so that administrators alone take the last.
 */
export function anotherAnswers(user: User, device: Device): boolean {
  return user.devices.some(
    ({ id, kind, bound }) => id !== device.id && (kind === 'totp' || kind === 'hotp' || bound),
  );
}

/** What a deletion takes along. */
export function goesWith(user: User): string {
  const parts = [
    user.devices.length > 0 && plural(user.devices.length, 'device'),
    user.bypass_codes > 0 && plural(user.bypass_codes, 'bypass code'),
    user.script && 'the script',
  ].filter((part) => typeof part === 'string');
  if (parts.length === 0) return 'There is no device and no bypass code to go with it.';
  const last = parts.pop();
  return `With it go: ${parts.length > 0 ? `${parts.join(', ')} and ` : ''}${last}.`;
}

/** `approve, after 1500 ms`. */
export function scriptWords(script: Schemas['Script']): string {
  const when = script.answer === 'ignore' || script.after_ms === 0 ? '' : `, after ${script.after_ms} ms`;
  return `${ANSWERS[script.answer]}${when}`;
}

/** How long a push still waits, in seconds, when it was `age` old `since` milliseconds ago. */
export function secondsLeft(age: number, since: number): number {
  return Math.max(0, PUSH_WAITS - age - Math.floor(Math.max(0, since) / 1_000));
}

/** An address that opens on the gateway's machine only. */
export function isLocalOnly(url: string): boolean {
  try {
    const { hostname } = new URL(url);
    return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  } catch {
    return false;
  }
}

/** The tokens whose serial number or user has a text, and that somebody has or nobody. */
export function tokensFound(
  tokens: readonly HardwareToken[],
  text: string,
  show: 'free' | 'given' | undefined,
): HardwareToken[] {
  const wanted = text.trim().toLowerCase();
  return tokens.filter(
    ({ serial, user }) =>
      (show === undefined || (show === 'free') === !user) &&
      [serial, user ?? ''].some((each) => each.toLowerCase().includes(wanted)),
  );
}
