/** Users, devices and pushes of the built-in second factor in words, and how a list of them is narrowed. Pure. */
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';

export type User = Schemas['User'];
export type Device = Schemas['Device'];
export type Push = Schemas['WaitingPush'];
export type Status = Schemas['UserStatus'];
export type Kind = Schemas['DeviceKind'];
export type Answer = Schemas['ScriptAnswer'];

/** Wrong passcodes in a row that lock a user out. */
export const FAILURES_TO_LOCK = 10;

/** How long a push waits for its answer, in seconds. */
export const PUSH_WAITS = 60;

export const STATUSES: Record<Status, { word: string; colour: string; about: string }> = {
  active: { word: 'active', colour: 'green', about: 'A login needs the second factor.' },
  bypass: { word: 'bypass', colour: 'orange', about: 'A login passes on the password alone.' },
  disabled: { word: 'disabled', colour: 'gray', about: 'A login is refused.' },
  locked_out: {
    word: 'locked out',
    colour: 'red',
    about: 'A login is refused, after too many wrong passcodes, until somebody unlocks.',
  },
};

/** What an administrator sets; being locked out comes by itself. */
export const CHOICES: readonly Status[] = ['active', 'bypass', 'disabled'];

export const KINDS: Record<Kind, { word: string; about: string }> = {
  phone: { word: 'phone', about: 'A browser that opens its approval page and answers pushes there.' },
  totp: { word: 'authenticator app', about: 'Shows a new passcode each 30 seconds (TOTP).' },
  hotp: { word: 'counter token', about: 'Shows the next passcode at the press of a button (HOTP).' },
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
  if (device.kind !== 'phone') return ['passcodes'];
  const { push, phone, sms } = device.capabilities;
  return [push && 'push', phone && 'call', sms && 'SMS passcodes'].filter((use) => use !== false);
}

/** Nothing that could pass the second factor: to enrol first. */
export function isBare(user: User): boolean {
  return user.devices.length === 0 && user.bypass_codes === 0;
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

/** What narrows the list beside a text. */
export const FILTERS = {
  active: 'active',
  bypass: 'bypass',
  disabled: 'disabled',
  locked_out: 'locked out',
  failures: 'with wrong passcodes',
  bare: 'without device and code',
  script: 'answered by a script',
} as const;
export type Filter = keyof typeof FILTERS;

export function isFilter(text: string | undefined): text is Filter {
  return text !== undefined && Object.hasOwn(FILTERS, text);
}

function passes(user: User, filter: Filter): boolean {
  switch (filter) {
    case 'failures':
      return user.failures > 0;
    case 'bare':
      return isBare(user);
    case 'script':
      return user.script != null;
    default:
      return user.status === filter;
  }
}

/** Whether a text is in a user's name or id, or in one of the devices, whatever the case. */
function has(user: User, text: string): boolean {
  const texts = [user.name, user.id, ...user.devices.flatMap((one) => [one.name, one.number, one.id])];
  return texts.some((each) => each.toLowerCase().includes(text));
}

export const SORTS = ['name', 'status', 'devices', 'codes', 'failures'] as const;
export type Sort = (typeof SORTS)[number];

const STATUS_ORDER: readonly Status[] = ['locked_out', 'disabled', 'bypass', 'active'];
const NAMES = new Intl.Collator(undefined, { sensitivity: 'base', numeric: true });

function compare(one: User, other: User, by: Sort): number {
  switch (by) {
    case 'status':
      return STATUS_ORDER.indexOf(one.status) - STATUS_ORDER.indexOf(other.status);
    case 'devices':
      return one.devices.length - other.devices.length;
    case 'codes':
      return one.bypass_codes - other.bypass_codes;
    case 'failures':
      return one.failures - other.failures;
    default:
      return NAMES.compare(one.name, other.name);
  }
}

/** `-failures`: the most first. What is no order is by name. */
export function orderOf(text: string | undefined): { by: Sort; down: boolean } {
  const down = text?.startsWith('-') ?? false;
  const by = SORTS.find((sort) => sort === (down ? text?.slice(1) : text));
  return by ? { by, down } : { by: 'name', down: false };
}

/** The users that match, in order. Those who are equal are by name. */
export function listed(
  users: readonly User[],
  { text = '', filter, order }: { text?: string; filter?: Filter | undefined; order?: string | undefined },
): User[] {
  const wanted = text.trim().toLowerCase();
  const { by, down } = orderOf(order);
  return users
    .filter((user) => (!filter || passes(user, filter)) && (!wanted || has(user, wanted)))
    .sort((one, other) => (down ? -1 : 1) * compare(one, other, by) || NAMES.compare(one.name, other.name));
}

/** One page of a list, from 1 on; a page behind the last is the last. */
export function pageOf<T>(items: readonly T[], wanted: string | undefined, size: number) {
  const pages = Math.max(1, Math.ceil(items.length / size));
  const asked = Number(wanted);
  const page = Math.min(pages, Number.isInteger(asked) && asked > 0 ? asked : 1);
  return { page, pages, items: items.slice((page - 1) * size, page * size) };
}

export function isKind(text: string | undefined): text is Kind {
  return text !== undefined && Object.hasOwn(KINDS, text);
}

/** The devices that match, by user, each with whose it is. */
export function devicesOf(
  users: readonly User[],
  { text = '', kind }: { text?: string; kind?: Kind | undefined },
): { user: User; device: Device }[] {
  const wanted = text.trim().toLowerCase();
  const all = listed(users, {}).flatMap((user) => user.devices.map((device) => ({ user, device })));
  return all.filter(
    ({ user, device }) =>
      (!kind || device.kind === kind) &&
      [user.name, device.name, device.number, device.id].some((each) => each.toLowerCase().includes(wanted)),
  );
}
