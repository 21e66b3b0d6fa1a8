/** What a login that is tried asks for, and what of it goes wrong at which field. Pure. */
import type { ApiError, Schemas } from '@/api/client';

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

/** The answer to a question goes to the node that asked, unless another was chosen. */
export function answerOf(typed: Typed, answer: string, state: string): LoginRequest {
  const request: LoginRequest = { ...asked(typed), answer, state };
  if (typed.node !== '') request.node = typed.node;
  return request;
}

const FIELDS: Record<string, keyof Typed> = { calling_station_id: 'calling_station' };

/** The faults of an answer of status 422, by field; those of no field stay with the page. */
export function faultsOf(error: ApiError): Partial<Record<keyof Typed, string>> {
  const faults: Partial<Record<keyof Typed, string>> = {};
  for (const { path, message } of error.problem.errors ?? []) {
    const field = FIELDS[path] ?? (path as keyof Typed);
    faults[field] ??= `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  }
  return faults;
}

/** What is said while one waits: a machine is asked first, and then a person. */
export function waitingFor(seconds: number): string {
  if (seconds < 2) return 'Logging in…';
  if (seconds < 60) return 'Asking the user’s phone, if it is a push or a call. It may take up to a minute.';
  return 'Still no answer. It ends by itself, at the latest after three minutes.';
}
