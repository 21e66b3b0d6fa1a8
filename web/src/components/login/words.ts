/** The enumerations of a login in words, and what is worth a mark. Pure. */
import type { Schemas } from '@/api/client';

export type AuthEvent = Schemas['AuthEvent'];
export type Reason = Schemas['Reason'];
export type Outcome = Schemas['Outcome'];
export type Factor = Schemas['Factor'];
export type Stage = Schemas['Stage'];

export const OUTCOMES: Record<Outcome, { word: string; colour: string; code: string }> = {
  accept: { word: 'accepted', colour: 'green', code: 'Access-Accept' },
  reject: { word: 'rejected', colour: 'red', code: 'Access-Reject' },
  challenge: { word: 'asked', colour: 'blue', code: 'Access-Challenge' },
  unanswered: { word: 'unanswered', colour: 'orange', code: 'no answer' },
};

export const FACTORS: Record<Factor, string> = {
  auto: 'automatic',
  push: 'push',
  phone: 'phone call',
  sms: 'SMS passcodes',
  passcode: 'passcode',
};

export const STAGES: Record<Stage, { word: string; about: string }> = {
  packet: { word: 'Request read', about: 'The datagram was read and verified.' },
  client: { word: 'Client found', about: 'Its client and integration were found.' },
  primary: { word: 'Password', about: 'The password was checked by the primary.' },
  preauth: {
    word: 'Second factor: who',
    about: 'The second factor was asked for the user, and what they can do.',
  },
  factor: { word: 'Second factor', about: 'The second factor was asked to decide.' },
  answer: { word: 'Answer', about: 'The answer was sent.' },
};

/** Why, in a few words, as a list shows it. */
export const REASONS: Record<Reason, string> = {
  approved: 'second factor approved',
  bypassed: 'second factor asks nothing of this user',
  exempt_user: 'exempt from the second factor',
  fail_mode_safe: 'second factor away, let in on the password alone',
  primary_only: 'primary only: no second factor asked',
  prompted: 'asked for a second factor',
  bad_request: 'request cannot be read',
  unsupported_method: 'authentication method not supported',
  empty_password: 'empty password',
  factor_missing: 'nothing appended to the password',
  wrong_password: 'wrong password',
  unknown_user: 'unknown user',
  ambiguous_user: 'more than one user of this name',
  not_permitted: 'may not log in here',
  account_locked: 'account locked',
  account_disabled: 'account disabled',
  account_expired: 'account expired',
  password_expired: 'password expired',
  password_must_change: 'password must be changed first',
  primary_rejected: 'primary refused',
  primary_challenge: 'primary asked a question',
  primary_unavailable: 'primary does not answer',
  primary_misconfigured: 'primary cannot be asked: a setting is wrong',
  second_factor_refused: 'second factor refuses this user',
  not_enrolled: 'not enrolled yet',
  no_usable_factor: 'no device that can be used',
  denied: 'denied, or wrong passcode',
  fraud: 'reported as fraud',
  timed_out: 'nobody answered in time',
  locked_out: 'locked out at the second factor',
  passcodes_sent: 'SMS passcodes sent',
  second_factor_unavailable: 'second factor cannot be reached',
  second_factor_error: 'second factor refused our request',
  second_factor_unreadable: 'second factor’s answer makes no sense',
  too_many_answers: 'too many unusable answers',
  eap_failed: 'EAP conversation broke off',
  unknown_state: 'answers a question that is not open',
  overloaded: 'no room for another login',
  stopping: 'gateway was stopping',
  internal: 'fault of the gateway',
};

/** Why this one ended so, in a few words: where the event knows more than its reason, that too. */
export function reasonOf(event: Pick<AuthEvent, 'reason' | 'factor' | 'outcome'>): string {
  if (event.reason !== 'denied') return REASONS[event.reason] ?? event.reason;
  switch (event.factor) {
    case 'passcode':
      return event.outcome === 'challenge' ? 'wrong passcode, asked again' : 'wrong passcode';
    case 'push':
      return 'push denied';
    case 'phone':
      return 'phone call denied';
    default:
      return 'push or call denied';
  }
}

/** In which section of the documentation's table a reason stands. */
export const REASON_GROUPS: { group: string; items: Reason[] }[] = [
  { group: 'Accepted', items: ['approved', 'bypassed', 'exempt_user', 'fail_mode_safe', 'primary_only'] },
  {
    group: 'What the request was',
    items: [
      'bad_request',
      'unsupported_method',
      'empty_password',
      'factor_missing',
      'unknown_state',
      'too_many_answers',
      'eap_failed',
    ],
  },
  {
    group: 'What the primary said',
    items: [
      'wrong_password',
      'unknown_user',
      'ambiguous_user',
      'not_permitted',
      'account_locked',
      'account_disabled',
      'account_expired',
      'password_expired',
      'password_must_change',
      'primary_rejected',
      'primary_challenge',
      'primary_unavailable',
      'primary_misconfigured',
    ],
  },
  {
    group: 'What the second factor said',
    items: [
      'second_factor_refused',
      'not_enrolled',
      'no_usable_factor',
      'denied',
      'fraud',
      'timed_out',
      'locked_out',
      'passcodes_sent',
      'second_factor_unavailable',
      'second_factor_error',
      'second_factor_unreadable',
    ],
  },
  { group: 'The gateway itself', items: ['prompted', 'overloaded', 'stopping', 'internal'] },
];

/** Somebody was let in whose second factor was not asked: `null` where nothing is to be marked. */
export function mark(event: AuthEvent): { word: string; about: string } | null {
  if (event.outcome !== 'accept') return null;
  if (event.reason === 'fail_mode_safe') {
    return {
      word: 'fail mode',
      about: 'Let in on the password alone: the second factor was unavailable, and failmode is safe.',
    };
  }
  if (event.reason === 'primary_only') {
    return {
      word: 'primary only',
      about: 'Let in on the password alone: an administrator allowed that for a limited time.',
    };
  }
  return null;
}

/** `192.0.2.1` of `192.0.2.1:1645`, `2001:db8::1` of `[2001:db8::1]:1645`, and of `::ffff:192.0.2.1` the short one. */
export function addressOf(client: string): string {
  const bare = client.startsWith('[')
    ? client.slice(1, client.lastIndexOf(']'))
    : client.replace(/:\d+$/, '');
  return bare.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

/** From where, for people: `test` for a test as no device. */
export function shownClient(event: AuthEvent): string {
  const address = addressOf(event.client);
  if (!event.test) return address;
  return address === '0.0.0.0' || address === '::' ? 'test' : `test as ${address}`;
}

/** The id of the login's first request: all requests of one login have it in common. */
export function loginOf(event: AuthEvent): string {
  return event.first ?? event.id;
}
