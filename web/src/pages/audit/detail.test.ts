import { describe, expect, test } from 'vitest';
import { localTime } from '@/lib/format';
import { detailOf, nameIn, thingOfAction } from './detail';

describe('an entry’s document', () => {
  test('of a revision is its list of differences', () => {
    const differences = [{ path: 'integrations[vpn].port', before: 1812, after: 1645 }];
    expect(detailOf('configuration', differences)).toEqual({ kind: 'differences', differences });
  });

  test('with after alone is of something new', () => {
    expect(detailOf('token.create', { after: { name: 'ci', role: 'viewer', expires_at_ms: 1_000 } })).toEqual(
      {
        kind: 'differences',
        differences: [
          { path: 'token.name', after: 'ci' },
          { path: 'token.role', after: 'viewer' },
          { path: 'token.expires_at', after: localTime(1_000) },
        ],
      },
    );
  });

  test('with both shows what differs, and not what is the same or nothing', () => {
    const before = { issuer: 'https://a', scopes: ['openid'], ca_certs: null };
    const after = { issuer: 'https://b', scopes: ['openid'] };
    expect(detailOf('oidc.change', { before, after })).toEqual({
      kind: 'differences',
      differences: [{ path: 'oidc.issuer', before: 'https://a', after: 'https://b' }],
    });
  });

  test('with before null is of something new too', () => {
    expect(detailOf('oidc.change', { before: null, after: { issuer: 'https://b' } })).toEqual({
      kind: 'differences',
      differences: [{ path: 'oidc.issuer', after: 'https://b' }],
    });
  });

  test('of another form is told as facts', () => {
    expect(detailOf('draft.apply', { revision: 8, writers: ['admin nora'], note: null })).toEqual({
      kind: 'facts',
      facts: [
        { name: 'revision', value: 8 },
        { name: 'writers', value: ['admin nora'] },
      ],
    });
  });

  test('says moments as times, whether in seconds or in milliseconds', () => {
    const at = { name: 'expires at', value: localTime(1_795_400_000_000) };
    expect(detailOf('second-factor.user.enroll', { expires_at: 1_795_400_000 })).toEqual({
      kind: 'facts',
      facts: [at],
    });
    expect(detailOf('x', { expires_at_ms: 1_795_400_000_000 })).toEqual({ kind: 'facts', facts: [at] });
  });

  test.each([[{}], [[]], [null], [''], [{ before: {}, after: {} }]])('that is %j says nothing', (detail) => {
    expect(detailOf('admin.password', detail)).toEqual({ kind: 'nothing' });
  });

  test('that is no document is shown as the text it is', () => {
    expect(detailOf('x', 'half a doc')).toEqual({
      kind: 'facts',
      facts: [{ name: 'text', value: 'half a doc' }],
    });
  });
});

test.each([
  [{ after: { name: 'ci' } }, 'token 453bfd', 'ci'],
  [{ before: { name: 'ci' } }, 'token 453bfd', 'ci'],
  [{ after: { name: 'alice' } }, 'user alice', undefined],
  [{ after: {} }, 'token 453bfd', undefined],
  [[], 'revision 7', undefined],
  [null, '', undefined],
])('the name in %j beside %j is %j', (detail, target, want) => {
  expect(nameIn(detail, target)).toBe(want);
});

test.each([
  ['second-factor.user.create', 'user'],
  ['token.create', 'token'],
  ['second-factor.bypass-codes', 'second_factor'],
  ['configuration', 'configuration'],
])('%s is done to a %s', (action, want) => {
  expect(thingOfAction(action)).toBe(want);
});
