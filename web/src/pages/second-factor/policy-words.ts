/** Policies in words, and their forms: what is absent is inherited. Pure. */
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';

export type Policy = Schemas['Policy'];
export type ScopedPolicy = Schemas['ScopedPolicy'];
export type Scope = Schemas['PolicyScope'];
export type Factor = Schemas['AllowedFactor'];
export type Field = keyof Policy;

export const FACTORS: Record<Factor, string> = {
  push: 'push',
  passcode: 'passcode of an app or token',
  sms: 'passcode by SMS',
  email: 'passcode by e-mail',
  phone: 'call',
  bypass_code: 'bypass code',
};
export const ALL_FACTORS = Object.keys(FACTORS) as Factor[];

export const NEW_USERS: Record<Schemas['NewUserPolicy'], string> = {
  enroll: 'must enrol first',
  allow: 'are let in without',
  deny: 'are refused',
};

export const MATCHING: Record<Schemas['NumberMatching'], string> = {
  off: 'never',
  risk: 'after too many pushes in a row',
  always: 'always',
};

/** In the order of the form: what each is called, and what it means. */
export const FIELDS: Record<Field, { label: string; about: string }> = {
  allowed_factors: { label: 'What may be used', about: 'A login with anything else is refused.' },
  new_users: { label: 'Users without a device', about: 'What becomes of a login of theirs.' },
  remember_hours: {
    label: 'Remember an approval for',
    about: 'Hours, 0 to 720, in which the same user from the same place is not asked again. 0 is never.',
  },
  exempt_networks: {
    label: 'Networks without a second factor',
    about: 'In CIDR notation, one on each line. The password alone lets in from there.',
  },
  number_matching: {
    label: 'A number must be typed',
    about:
      'Who approves a push types the number that the login shows. A login that cannot show one has no pushes then.',
  },
  push_fatigue_after: {
    label: 'Too many pushes are',
    about: 'So many in a row that were denied or left without an answer, 1 to 100.',
  },
  push_fatigue_minutes: { label: 'Pushes count for', about: 'Minutes, 1 to 1,440.' },
};
export const ALL_FIELDS = Object.keys(FIELDS) as Field[];

/** What holds where no policy says anything. */
export const BUILT_IN: Required<{ [F in Field]: NonNullable<Policy[F]> | undefined }> = {
  allowed_factors: ALL_FACTORS,
  // The application says.
  new_users: undefined,
  remember_hours: 0,
  exempt_networks: [],
  number_matching: 'risk',
  push_fatigue_after: 3,
  push_fatigue_minutes: 60,
};

/** A field's value in words; undefined for what is not said. */
export function valueWords(field: Field, policy: Policy): string | undefined {
  const value = policy[field];
  if (value === undefined || value === null) return undefined;
  switch (field) {
    case 'allowed_factors': {
      const factors = policy.allowed_factors ?? [];
      return factors.length === ALL_FACTORS.length
        ? 'everything'
        : ALL_FACTORS.filter((one) => factors.includes(one))
            .map((one) => FACTORS[one])
            .join(', ');
    }
    case 'new_users':
      return NEW_USERS[policy.new_users ?? 'enroll'];
    case 'remember_hours':
      return policy.remember_hours ? plural(policy.remember_hours, 'hour') : 'never';
    case 'exempt_networks':
      return policy.exempt_networks?.join(', ') || 'none';
    case 'number_matching':
      return MATCHING[policy.number_matching ?? 'risk'];
    case 'push_fatigue_after':
      return `${policy.push_fatigue_after} in a row`;
    case 'push_fatigue_minutes':
      return plural(policy.push_fatigue_minutes ?? 0, 'minute');
  }
}

/** All that a policy says, a line each. */
export function says(policy: Policy): { field: Field; label: string; value: string }[] {
  return ALL_FIELDS.flatMap((field) => {
    const value = valueWords(field, policy);
    return value === undefined ? [] : [{ field, label: FIELDS[field].label, value }];
  });
}

/** `everybody`, `application vpn`, `group VPN users`. */
export function whose({ scope, name }: { scope: Scope; name: string }): string {
  return scope === 'default' ? 'everybody' : `${scope} ${name}`;
}

/** The default first, then applications, then groups as they are asked. */
export function inOrder(policies: readonly ScopedPolicy[]): ScopedPolicy[] {
  const scopes: Scope[] = ['default', 'application', 'group'];
  return policies.toSorted(
    (one, other) =>
      scopes.indexOf(one.scope) - scopes.indexOf(other.scope) ||
      one.rank - other.rank ||
      one.name.localeCompare(other.name),
  );
}

/** What a field has when this policy says nothing of it. */
export function inherited(field: Field, scope: Scope, everybody: Policy): string {
  const wider =
    valueWords(field, everybody) ??
    (field === 'new_users' ? 'as the application says' : (valueWords(field, BUILT_IN as Policy) ?? ''));
  switch (scope) {
    case 'default':
      return `Built in: ${field === 'new_users' ? 'as the application says' : valueWords(field, BUILT_IN as Policy)}.`;
    case 'application':
      return `As for everybody: ${wider}.`;
    case 'group':
      return `What the application’s policy says; else as for everybody: ${wider}.`;
  }
}

/** What a form holds: which fields say something, and their texts. */
export interface Draft {
  said: Field[];
  allowed_factors: Factor[];
  new_users: Schemas['NewUserPolicy'];
  remember_hours: string;
  exempt_networks: string;
  number_matching: Schemas['NumberMatching'];
  push_fatigue_after: string;
  push_fatigue_minutes: string;
}

/** A form of a policy; what it does not say begins with what is built in. */
export function draftOf(policy: Policy): Draft {
  return {
    said: ALL_FIELDS.filter((field) => policy[field] !== undefined && policy[field] !== null),
    allowed_factors: policy.allowed_factors ?? ALL_FACTORS,
    new_users: policy.new_users ?? 'enroll',
    remember_hours: String(policy.remember_hours ?? 12),
    exempt_networks: (policy.exempt_networks ?? []).join('\n'),
    number_matching: policy.number_matching ?? 'always',
    push_fatigue_after: String(policy.push_fatigue_after ?? 3),
    push_fatigue_minutes: String(policy.push_fatigue_minutes ?? 60),
  };
}

const RANGES: Partial<Record<Field, [number, number]>> = {
  remember_hours: [0, 720],
  push_fatigue_after: [1, 100],
  push_fatigue_minutes: [1, 1_440],
};

/** What is wrong with a draft before it is sent; the gateway judges the rest. */
export function faultsOf(draft: Draft): Partial<Record<Field, string>> {
  const faults: Partial<Record<Field, string>> = {};
  for (const field of draft.said) {
    const range = RANGES[field];
    if (range) {
      const text = draft[field] as string;
      const value = Number(text);
      if (text.trim() === '' || !Number.isInteger(value) || value < range[0] || value > range[1]) {
        faults[field] = `A whole number from ${range[0]} to ${range[1].toLocaleString('en')}.`;
      }
    }
  }
  if (draft.said.includes('allowed_factors') && draft.allowed_factors.length === 0) {
    faults.allowed_factors = 'Choose at least one.';
  }
  return faults;
}

/** Each line, or what stands between commas. */
export function lines(text: string): string[] {
  return text
    .split(/[\n,;]+/)
    .map((line) => line.trim())
    .filter(Boolean);
}

/** The policy that a form says. */
export function policyOf(draft: Draft): Policy {
  const said = <T>(field: Field, value: T) => (draft.said.includes(field) ? { [field]: value } : {});
  return {
    ...said('allowed_factors', draft.allowed_factors),
    ...said('new_users', draft.new_users),
    ...said('remember_hours', Number(draft.remember_hours)),
    ...said('exempt_networks', lines(draft.exempt_networks)),
    ...said('number_matching', draft.number_matching),
    ...said('push_fatigue_after', Number(draft.push_fatigue_after)),
    ...said('push_fatigue_minutes', Number(draft.push_fatigue_minutes)),
  };
}

/** Where a value comes from, as the gateway names it, in words. */
export function sourceWords(from: string | undefined): string {
  if (from === undefined || from === 'built in') return 'built in';
  return from === 'default' ? 'everybody’s policy' : `policy of ${from}`;
}
