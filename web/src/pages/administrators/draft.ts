/** The provider's settings as its form has them, and as they are sent. */
import type { Schemas } from '@/api/client';
import type { Role } from '@/session';
import type { Provider } from './queries';

type Write = Schemas['ProviderWrite'];

export interface GrantDraft {
  /** Tells rows apart on the page. */
  key: number;
  by: 'group' | 'email';
  who: string;
  role: Role;
}

export interface ProviderDraft {
  issuer: string;
  client_id: string;
  /** What was typed; empty keeps the one that is there. */
  client_secret: string;
  /** Whether there is to be none. */
  isPublic: boolean;
  public_url: string;
  scopes: string[];
  groups_claim: string;
  roles: GrantDraft[];
  ca_certs: string;
}

export const SCOPES = ['openid', 'email', 'profile'];

/** What the form begins with: what there is, or what is usual for a gateway at `origin`. */
export function draftOf(provider: Provider | null, origin: string): ProviderDraft {
  return {
    issuer: provider?.issuer ?? '',
    client_id: provider?.client_id ?? '',
    client_secret: '',
    isPublic: provider !== null && !provider.client_secret,
    public_url: provider?.public_url ?? origin,
    scopes: provider?.scopes ?? SCOPES,
    groups_claim: provider?.groups_claim ?? 'groups',
    roles: (provider?.roles ?? []).map(({ group, email, role }, key) => ({
      key,
      by: email == null ? 'group' : 'email',
      who: email ?? group ?? '',
      role,
    })),
    ca_certs: provider?.ca_certs ?? '',
  };
}

/** The document to send. A secret that is left out stays; null takes it away. */
export function writeOf(draft: ProviderDraft): Write {
  const { client_secret, isPublic, roles, ca_certs, ...rest } = draft;
  return {
    ...rest,
    issuer: rest.issuer.trim(),
    client_id: rest.client_id.trim(),
    public_url: rest.public_url.trim(),
    groups_claim: rest.groups_claim.trim(),
    ...(isPublic ? { client_secret: null } : client_secret ? { client_secret } : {}),
    roles: roles.map(({ by, who, role }) =>
      by === 'group' ? { group: who.trim(), role } : { email: who.trim(), role },
    ),
    ...(ca_certs.trim() ? { ca_certs } : {}),
  };
}

/** Where the provider is to send browsers back to. */
export function callbackOf(publicUrl: string): string {
  return `${publicUrl.trim().replace(/\/+$/, '')}/api/v1/session/oidc/callback`;
}

/** Which field shows a fault of this path; `roles[2]` and `roles[2].role` belong to the third row. */
export function fieldOf(path: string): string {
  return /^roles\[\d+\]/.exec(path)?.[0] ?? path.replace(/[.[].*$/, '');
}
