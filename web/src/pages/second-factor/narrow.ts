/** Which users and devices a list shows, in which order, and on which page. Pure. */
import { type Device, isBare, KINDS, type Kind, STATUSES, type Status, type User } from './words';

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

/** The status that a filter stands for: the gateway narrows by it. */
export function statusOf(filter: Filter | undefined): Status | undefined {
  return filter !== undefined && Object.hasOwn(STATUSES, filter) ? (filter as Status) : undefined;
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

/** The orders that are offered beside the headings. */
export const ORDERS: Record<string, string> = {
  name: 'name',
  status: 'status',
  '-devices': 'most devices',
  '-codes': 'most bypass codes',
  '-failures': 'most wrong passcodes',
};

/** An order as it is offered: the other way round is the same one. */
export function sortOf(text: string | undefined): string {
  const { by } = orderOf(text);
  return by === 'name' || by === 'status' ? by : `-${by}`;
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
