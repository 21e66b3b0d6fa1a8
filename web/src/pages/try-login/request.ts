/** What a login that is tried asks for, and what of it goes wrong at which field. Pure. */
import type { Schemas } from '@/api/client';
import { faultsOf as faultsAt } from '@/lib/faults';
import { capitalised } from '@/lib/format';

export type LoginRequest = Schemas['LoginRequest'];

export interface Typed {
  user: string;
  password: string;
  integration: string;
  client: string;
  calling_station: string;
  node: string;
}

/** What the address may bring along: never a password. */
export function typedOf(search: Record<string, string | undefined>): Typed {
  return {
    user: search.user ?? '',
    password: '',
    integration: search.integration ?? '',
    client: search.client ?? '',
    calling_station: search.calling_station ?? '',
    node: search.node ?? '',
  };
}

/** What the login is, without what was typed in secret. */
function asked(typed: Typed): LoginRequest {
  const request: LoginRequest = { integration: typed.integration, user: typed.user };
  if (typed.client.trim() !== '') request.client = typed.client.trim();
  if (typed.calling_station !== '') request.calling_station_id = typed.calling_station;
  return request;
}

export function requestOf(typed: Typed): LoginRequest {
  const request: LoginRequest = { ...asked(typed), password: typed.password };
  if (typed.node !== '') request.node = typed.node;
  return request;
}

/**
 * The answer to a question: of the login that was begun, whatever the form has by now. It goes to the node
 * that asked, unless another was chosen since.
 */
export function answerOf(begun: Typed, node: string, answer: string, state: string): LoginRequest {
  const request: LoginRequest = { ...asked(begun), answer, state };
  if (node !== '') request.node = node;
  return request;
}

/** The fields of the form, by the paths that a fault names. */
const FIELDS: Record<string, keyof Typed> = {
  user: 'user',
  password: 'password',
  integration: 'integration',
  client: 'client',
  calling_station_id: 'calling_station',
  node: 'node',
};

/** What is wrong, by field; and the rest, such as a question that is no longer open. */
export function faultsOf(error: unknown): { at: Partial<Record<keyof Typed, string>>; rest: unknown } {
  const { at, rest } = faultsAt(error, (path) => Object.hasOwn(FIELDS, path));
  const faults = Object.entries(at).map(([path, message]) => [FIELDS[path], `${capitalised(message)}.`]);
  return { at: Object.fromEntries(faults), rest };
}

/** What is said while one waits: a machine is asked first, and then a person. */
export function waitingFor(seconds: number): string {
  if (seconds < 2) return 'Logging in…';
  if (seconds < 60) return 'Asking the user’s phone, if it is a push or a call. It may take up to a minute.';
  return 'Still no answer. It ends by itself, at the latest after three minutes.';
}
