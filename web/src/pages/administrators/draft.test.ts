import { describe, expect, test } from 'vitest';
import { callbackOf, draftOf, fieldOf, writeOf } from './draft';
import type { Provider } from './queries';

const provider: Provider = {
  issuer: 'https://idp.example.com/realms/staff',
  client_id: 'countersign',
  client_secret: { set: true, fingerprint: '00112233aabbccdd' },
  public_url: 'https://gate.example.com:8400',
  scopes: ['openid'],
  groups_claim: 'groups',
  roles: [
    { group: 'netops', role: 'operator' },
    { email: 'alice@example.com', role: 'admin' },
  ],
};
const origin = 'https://gate.example.com:8400';

describe('the secret', () => {
  test('stays when nothing is typed: it is left out', () => {
    expect(writeOf(draftOf(provider, origin))).not.toHaveProperty('client_secret');
  });
  test('is sent as it was typed, blanks and all', () => {
    expect(writeOf({ ...draftOf(provider, origin), client_secret: ' x ' }).client_secret).toBe(' x ');
  });
  test('of a public client is taken away, whatever was typed', () => {
    expect(
      writeOf({ ...draftOf(provider, origin), client_secret: 'x', isPublic: true }).client_secret,
    ).toBeNull();
  });
  test('never comes into the form', () => {
    expect(JSON.stringify(draftOf(provider, origin))).not.toContain('00112233');
  });
});

test('what is read is what is sent back', () => {
  const { client_secret: _, ...rest } = provider;
  expect(writeOf(draftOf(provider, origin))).toEqual(rest);
});

test('without a provider the form has this gateway and the usual claims', () => {
  const draft = draftOf(null, origin);
  expect(draft).toMatchObject({ public_url: origin, groups_claim: 'groups', isPublic: false, roles: [] });
  expect(draft.scopes).toContain('openid');
});

test('a provider without a secret is a public client', () => {
  expect(draftOf({ ...provider, client_secret: null }, origin).isPublic).toBe(true);
});

test('browsers come back to the gateway, however its address is written', () => {
  const want = 'https://gate.example.com:8400/api/v1/session/oidc/callback';
  for (const url of [origin, `${origin}/`, ` ${origin} `]) expect(callbackOf(url)).toBe(want);
});

test.each([
  ['issuer', 'issuer'],
  ['roles[2]', 'roles[2]'],
  ['roles[2].role', 'roles[2]'],
  ['scopes[0]', 'scopes'],
  ['client_secret.set', 'client_secret'],
])('the fault of %s is shown at %s', (path, want) => {
  expect(fieldOf(path)).toBe(want);
});
