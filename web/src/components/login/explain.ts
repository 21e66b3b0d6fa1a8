/** Why a login ended as it did, in whole sentences, and what to do next. Pure. */
import { nameOf, type Person, refusalOf, shellWord } from './person';
import type { AuthEvent, Reason, Stage } from './words';

export interface Said {
  /** What happened, as one would tell it at the telephone. */
  why: string;
  /** What to do next; `null` where nothing is to be done. */
  next: string | null;
  /** What the step that decided says, in its own words. */
  evidence: { stage: Stage; detail: string } | null;
  /** Whether what is to be done is done at the user, of the built-in second factor. */
  atUser: boolean;
}

interface Names {
  who: string;
  primary: string;
  section: string;
  integration: string;
  factor: string;
  /** What became of the password, and the word that leads from there to what failed. */
  checked: string;
  but: 'and' | 'but';
  /** Of the built-in second factor; undefined: it is another, or nobody knows. */
  person: Person | undefined;
  event: AuthEvent;
}

/** A name as it stands in a sentence: with quotation marks where it could be taken for the sentence. */
function named(name: string): string {
  return /^[\p{L}\p{N}._@\\+-]+$/u.test(name) ? name : `“${name}”`;
}

function primaryOf(event: AuthEvent): { primary: string; section: string } {
  const section = event.authenticator ?? '';
  if (section.startsWith('ad_client')) return { primary: `the directory of ${section}`, section };
  if (section.startsWith('radius_client')) return { primary: `the RADIUS server of ${section}`, section };
  return section === ''
    ? { primary: 'the primary', section: 'the client section' }
    : { primary: `the primary ${section}`, section };
}

const FACTOR: Record<NonNullable<AuthEvent['factor']>, string> = {
  auto: 'the second factor',
  push: 'the push',
  phone: 'the phone call',
  sms: 'the SMS passcodes',
  passcode: 'the passcode',
};

type Sentence = (names: Names) => [why: string, next: string | null];

/** The second factor has no way in for this user: who is not there, has no device, or is not to get in. */
function refused({ who, checked, but, event, person }: Names): ReturnType<Sentence> {
  const begin = `${who} was rejected: ${checked}, ${but}`;
  const refusal = refusalOf(event);
  if (!person) {
    if (refusal === 'unknown') {
      return [
        `${begin} the second factor does not know this user, or no device of theirs.`,
        'Is the name spelt as it is there? Else enrol the user at the second factor.',
      ];
    }
    const how = {
      disabled: 'who is disabled there',
      locked: 'who is locked out there',
      other: 'who is not known, disabled or locked out there, or refused by a policy',
    }[refusal];
    return [
      `${begin} the second factor refuses this user, ${how}.`,
      'Look at the user’s status at the second factor.',
    ];
  }
  const name = shellWord(nameOf(person, event));
  switch (refusal) {
    case 'unknown':
      if (person.is === 'nobody') {
        return [
          `${begin} the second factor does not know this user.`,
          `Add ${who} under Second factor, or with: countersign factor add ${name}. If there is such a person under another name: log in with that one.`,
        ];
      }
      if (person.is === 'bare') {
        return [
          `${begin} the second factor knows no device of this user.`,
          `Add a device for ${who} under Second factor, or with: countersign factor enroll ${name}`,
        ];
      }
      if (person.is === 'unread') {
        return [
          `${begin} the second factor does not know this user, or no device of theirs.`,
          `Look for ${who} under Second factor, or with: countersign factor show ${name}`,
        ];
      }
      return [
        `${begin} the second factor did not know this user then, or no device of theirs.`,
        `${who} is there by now, with a device: the user is to try again.`,
      ];
    case 'disabled':
      return [
        `${begin} the user is disabled at the second factor.`,
        `If the user is to log in: set ${who} to active under Second factor, or with: countersign factor set-status ${name} active`,
      ];
    case 'locked':
      return [
        `${begin} the user is locked out at the second factor, after too many wrong passcodes.`,
        `Unlock ${who} under Second factor, or with: countersign factor unlock ${name}`,
      ];
    default:
      return [
        `${begin} the second factor refuses this user.`,
        `Look at ${who} under Second factor, or with: countersign factor show ${name}`,
      ];
  }
}

const SAID: Record<Reason, Sentence> = {
  approved: ({ who, checked, event }) => [
    event.factor === 'passcode'
      ? `${who} was let in: ${checked}, and the passcode was right.`
      : event.factor === 'push' || event.factor === 'phone'
        ? `${who} was let in: ${checked}, and ${FACTOR[event.factor]} was approved.`
        : `${who} was let in: ${checked}, and the second factor said yes.`,
    null,
  ],
  bypassed: ({ who, checked }) => [
    `${who} was let in: ${checked}, and the second factor asks nothing of this user.`,
    'If that is not wanted: look at the user’s status, or the application’s policy, at the second factor.',
  ],
  exempt_user: ({ who, integration }) => [
    `${who} was let in without a second factor: an exempt_username of ${integration} names this user.`,
    `If that is not wanted: take the name out of the exempt users of ${integration}.`,
  ],
  fail_mode_safe: ({ who, integration }) => [
    `${who} was let in on the password alone: the second factor was unavailable, and failmode of ${integration} is safe.`,
    'Find out why the second factor was unavailable: the step before the answer says it. With failmode=secure such logins are rejected instead.',
  ],
  primary_only: ({ who }) => [
    `${who} was let in on the password alone: an administrator allowed that for a limited time.`,
    'When the second factor works again, end it on the overview, or with: countersign primary-only stop.',
  ],
  prompted: ({ who }) => [
    `${who} was asked for a second factor, and the login goes on with the answer.`,
    'Nothing, if an answer follows. If none comes: does the device show challenges, and does it wait long enough?',
  ],
  bad_request: ({ event }) => [
    event.user
      ? `The request for ${named(event.user)} was rejected: it has no password, or one that cannot be read.`
      : 'The request was rejected: it has no user name or no password, or one that cannot be read.',
    'Usually the shared secret is wrong on a device that sends no Message-Authenticator: compare the device’s secret with the section’s. Otherwise look at pw_codec.',
  ],
  unsupported_method: ({ who }) => [
    `${who} was rejected: the device used CHAP, MS-CHAP or a method of EAP that cannot be served here.`,
    'Set the device to PAP. CHAP and MS-CHAP work where an upstream RADIUS server checks the password, and EAP in radius_server_eap.',
  ],
  empty_password: ({ who }) => [
    `${who} was rejected: the password, or what stands before the delimiter, is empty.`,
    'Some devices probe with an empty password: then there is nothing to do. Otherwise the user has to type the password.',
  ],
  factor_missing: ({ who }) => [
    `${who} was rejected: this integration needs a factor appended to the password, and there was none.`,
    'Tell the user how: the reply message says it.',
  ],
  wrong_password: ({ who, primary }) => [
    `${who} was rejected: ${primary} refused the password.`,
    'The user should try again with the right password. If it works elsewhere: does the device send name and password exactly as typed?',
  ],
  unknown_user: ({ who, primary, section }) => [
    `${who} was rejected: ${primary} has no such user where it looks.`,
    `Is the name spelled correctly? If so, compare search_dn, username_attribute, at_attribute (names with an @) and ldap_filter of ${section} with the user’s entry.`,
  ],
  ambiguous_user: ({ who, primary, section }) => [
    `${who} was rejected: more than one entry of ${primary} matches the name.`,
    `Give ${section} a narrower search_dn, or a username_attribute that is unique.`,
  ],
  not_permitted: ({ who, primary, section }) => [
    `${who} was rejected: ${primary} knows the user, who may not log in here. The user is in none of the groups, is not matched by the filter, or the directory forbids this place, hour or way.`,
    `Look at security_group_dn and ldap_filter of ${section}; groups within groups need nested_groups=true. Members of Protected Users cannot use NTLM.`,
  ],
  account_locked: ({ who, primary }) => [
    `${who} was rejected: the account is locked at ${primary}.`,
    'Unlock the account there.',
  ],
  account_disabled: ({ who, primary }) => [
    `${who} was rejected: the account is disabled at ${primary}.`,
    'Enable the account there, if the user is to log in.',
  ],
  account_expired: ({ who, primary }) => [
    `${who} was rejected: the account has expired at ${primary}.`,
    'Extend the account there, if the user is to log in.',
  ],
  password_expired: ({ who, primary }) => [
    `${who} was rejected: the password has expired at ${primary}.`,
    'The user has to change the password there. Over RADIUS, only an upstream with MS-CHAPv2 can change passwords.',
  ],
  password_must_change: ({ who, primary }) => [
    `${who} was rejected: the password was set by somebody else at ${primary}, and has to be changed before the first login.`,
    'The user has to change the password there; or clear “User must change password at next logon”.',
  ],
  primary_rejected: ({ who, primary }) => [
    `${who} was rejected: ${primary} refused, for no reason known here.`,
    'Look at the primary’s log; the password step shows what it said.',
  ],
  primary_challenge: ({ who, primary }) => [
    `${who} was asked a question by ${primary}, which was passed on. The login goes on with the answer.`,
    'Nothing, if an answer follows.',
  ],
  primary_unavailable: ({ who, primary, section }) => [
    `${who} was rejected: ${primary} did not answer in time, so that nobody could check the password.`,
    `The step of the password says what to check for each host of ${section}: is this gateway’s address allowed there, is the secret the same, is the port taken by another service such as NPS?`,
  ],
  primary_misconfigured: ({ who, primary, section }) => [
    `${who} was rejected: ${primary} could not be asked, because a setting is wrong.`,
    `The step of the password names which. In ${section}: service_account_username and its password, bind_dn, search_dn, the groups, ssl_ca_certs_file, transport.`,
  ],
  second_factor_refused: refused,
  not_enrolled: ({ who, event, person }) => [
    event.outcome === 'challenge'
      ? `${who} has to enrol for the second factor first, and was shown the link.`
      : `${who} was rejected: the user has to enrol for the second factor first.`,
    `The reply to the user has the link; no log or event has it.${
      person ? ` Or add a device for ${who} under Second factor.` : ''
    }`,
  ],
  no_usable_factor: ({ who, integration }) => [
    `${who} was rejected: no device of the user can do what ${integration} or the user asks for.`,
    `Compare factors of ${integration} with the user’s devices at the second factor.`,
  ],
  denied: ({ who, checked, but, factor, event }) =>
    event.outcome === 'challenge'
      ? [`${who} typed a wrong passcode and was asked for it again.`, 'Nothing, if an answer follows.']
      : event.factor === 'passcode'
        ? [
            `${who} was rejected: ${checked}, ${but} the passcode was refused.`,
            'The user should try again with a fresh passcode. If it happens again: are the clocks right, here and on the device that makes the passcode?',
          ]
        : [
            `${who} was rejected: ${checked}, ${but} ${factor} was denied, by the person or by the service.`,
            'Ask the user. If they did not try to log in, somebody else knows their password.',
          ],
  fraud: ({ who, factor }) => [
    `${who} was rejected: ${factor} was reported as fraud, or a passcode was used twice.`,
    'Somebody else may know the password. Talk to the user, and have it changed.',
  ],
  timed_out: ({ who, checked, but, factor, event }) =>
    event.outcome === 'unanswered' && event.test
      ? ['This test was cancelled before it ended.', 'Try it again, if it still matters.']
      : [
          `${who} was rejected: ${checked}, ${but} nobody answered ${factor} in time.`,
          'Was the phone at hand, and online? Else look at api_timeout, and at the device’s RADIUS time-out, which has to be longer.',
        ],
  locked_out: ({ who, person, event }) => [
    `${who} was rejected: one wrong passcode too many, and the user is locked out at the second factor.`,
    person
      ? `Unlock ${who} under Second factor, or with: countersign factor unlock ${shellWord(nameOf(person, event))}`
      : 'Unlock the user there.',
  ],
  passcodes_sent: ({ who, event }) => [
    event.outcome === 'challenge'
      ? `SMS passcodes were sent to ${who}, who was asked for one.`
      : `SMS passcodes were sent to ${who}. This request was rejected, as it must be: the user logs in again with one of them.`,
    null,
  ],
  second_factor_unavailable: ({ who, integration }) => [
    `${who} was rejected: the second factor could not be reached, and failmode of ${integration} did not or may not let anybody in.`,
    'The step of the second factor says why: name, connection, proxy, certificate or time. countersign check tries it from the gateway.',
  ],
  second_factor_error: ({ who, integration }) => [
    `${who} was rejected: the second factor refused the gateway’s request.`,
    `Check ikey, skey and api_host of ${integration}, this machine’s clock, and the application at the service. It may also have been too many requests.`,
  ],
  second_factor_unreadable: ({ who }) => [
    `${who} was rejected: the second factor’s answer makes no sense.`,
    'Something in between may be answering in its place: a proxy, a captive portal. Is api_host right?',
  ],
  too_many_answers: ({ who }) => [
    `${who} was rejected: eleven answers to this login’s questions were unusable.`,
    'Either the device answers by itself, or the user does not see the menu: try it on the device.',
  ],
  eap_failed: ({ who }) => [
    `${who} was rejected: the EAP conversation broke off, at TLS, its framing, or what goes on within.`,
    'Mostly the supplicant does not trust the certificate’s CA. The steps below and eap="…" in the log say why.',
  ],
  unknown_state: ({ who }) => [
    `${who} was rejected: the request answers a question that is not open. It came too late, or twice, from another address, for another name, or after the configuration changed.`,
    'The user has to log in again. If it happens again: state="…" in the log says which of these it was.',
  ],
  overloaded: ({ who, event }) => [
    event.outcome === 'unanswered'
      ? `${who} got no answer: the node had no room for another login.`
      : `${who} was rejected: the node had no room for another conversation.`,
    'Find out why logins wait: a slow primary or second factor, or a flood of requests.',
  ],
  stopping: ({ who }) => [
    `${who} got no answer: the gateway stopped before the login ended.`,
    'The user has to log in again. A longer --grace lets more logins end first.',
  ],
  internal: ({ who }) => [
    `${who} was not let in: the gateway had a fault, or reached a limit.`,
    'Look at the log of that time, with debug=true, and please report it.',
  ],
};

const OF_THE_PRIMARY = new Set<Reason>([
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
]);

const OF_THE_FACTOR = new Set<Reason>([
  'second_factor_refused',
  'not_enrolled',
  'no_usable_factor',
  'denied',
  'fraud',
  'timed_out',
  'locked_out',
  'second_factor_unavailable',
  'second_factor_error',
  'second_factor_unreadable',
]);

/** What is put right at the user, and not at the service or the integration. */
const AT_THE_USER = new Set<Reason>([
  'bypassed',
  'second_factor_refused',
  'not_enrolled',
  'no_usable_factor',
  'denied',
  'fraud',
  'timed_out',
  'locked_out',
]);

const OF_THE_REQUEST = new Set<Reason>(['bad_request', 'unsupported_method', 'unknown_state', 'eap_failed']);

/** The step that decided, if it is one that says more than the reason. */
function evidence(event: AuthEvent): Said['evidence'] {
  if (event.outcome === 'accept' && event.reason !== 'fail_mode_safe') return null;
  const wanted: Stage[] = OF_THE_PRIMARY.has(event.reason)
    ? ['primary']
    : OF_THE_REQUEST.has(event.reason)
      ? ['client', 'packet']
      : ['factor', 'preauth'];
  for (const stage of wanted) {
    const step = event.timeline.findLast((one) => one.stage === stage);
    if (step && step.detail !== '') return { stage, detail: step.detail };
  }
  return null;
}

/** The step that failed, by its place; -1: none did, or it is not known which. */
export function failedStep(event: AuthEvent): number {
  const { reason, outcome, timeline } = event;
  if (outcome === 'challenge') return -1;
  if (outcome === 'accept' && reason !== 'fail_mode_safe') return -1;
  if (OF_THE_PRIMARY.has(reason)) return timeline.findLastIndex(({ stage }) => stage === 'primary');
  if (!OF_THE_FACTOR.has(reason) && reason !== 'fail_mode_safe') return -1;
  const asked = timeline.findLastIndex(({ stage }) => stage === 'factor');
  return asked >= 0 ? asked : timeline.findLastIndex(({ stage }) => stage === 'preauth');
}

/** Why, and what next. `person` is who this is at the built-in second factor, where that was asked. */
export function explain(event: AuthEvent, person?: Person): Said {
  const unchecked = event.authenticator?.startsWith('duo_only_client') ?? false;
  const names: Names = {
    who: event.user ? named(event.user) : 'The user',
    ...primaryOf(event),
    integration: event.integration,
    factor: FACTOR[event.factor ?? 'auto'],
    checked: unchecked ? `no password is checked here (${event.authenticator})` : 'the password was right',
    but: unchecked ? 'and' : 'but',
    person,
    event,
  };
  const sentence: Sentence | undefined = SAID[event.reason];
  // A gateway that is newer than this page may give a reason that it has no words for.
  const [why, next] = sentence?.(names) ?? [
    `${names.who}: ${event.outcome}, for the reason ${event.reason}.`,
    'Reload the page: it is older than the gateway.',
  ];
  const atUser = person !== undefined && AT_THE_USER.has(event.reason);
  return { why, next, evidence: evidence(event), atUser };
}

/** All requests of one login, oldest first; the last one says how it ended. */
export function inOrder<T extends { event: AuthEvent }>(stored: readonly T[]): T[] {
  return [...stored].sort((a, b) => {
    // Clocks of nodes differ: what answers never stands before what asked first.
    const first = Number(a.event.first != null) - Number(b.event.first != null);
    return first || a.event.at_ms - b.event.at_ms;
  });
}
