import { describe, expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { nextOf, queryOf } from './words';

const NOW = Date.UTC(2026, 10, 22);
const DAY = 86_400_000;
const seen: Schemas['ClientSeen'] = {
  integration: 'vpn',
  address: '192.0.2.7',
  client: '192.0.2.0/24',
  last_signed_ms: null,
  last_unsigned_ms: null,
  ready: false,
};
const integration = (message_authenticator: Schemas['MessageAuthenticator']) =>
  [{ id: 'vpn', clients: [{ address: '192.0.2.0/24', message_authenticator }] }] as Schemas['Integration'][];

describe('nextOf', () => {
  it.each<[string, Partial<Schemas['ClientSeen']>, Schemas['MessageAuthenticator'], string, RegExp]>([
    ['never signed', { last_unsigned_ms: NOW - DAY }, 'auto', 'unsigned', /on the device/],
    [
      'was unsigned again',
      { last_signed_ms: NOW - 2 * DAY, last_unsigned_ms: NOW - DAY },
      'auto',
      'unsigned',
      /on the device/,
    ],
    [
      'signs since two days',
      { last_signed_ms: NOW, last_unsigned_ms: NOW - 2 * DAY },
      'auto',
      'waiting',
      /: 5 days more\.$/,
    ],
    ['signs beside others', { last_signed_ms: NOW }, 'auto', 'others', /others of client 192\.0\.2\.0\/24/],
    ['is ready', { last_signed_ms: NOW, ready: true }, 'off', 'ready', /192\.0\.2\.0\/24 to require/],
    ['is required to', { last_signed_ms: NOW, ready: true }, 'require', 'required', /Nothing to do/],
    ['is no client now', { client: null, ready: true }, 'auto', 'gone', /no longer/],
  ])('%s', (_name, more, setting, state, text) => {
    const next = nextOf({ ...seen, ...more }, integration(setting), NOW);
    expect(next.state).toBe(state);
    expect(next.text).toMatch(text);
  });
});

it.each<[Record<string, string>, object]>([
  [{}, { limit: 50, sort: 'integration' }],
  [
    { unsigned: 'true', sort: '-last_unsigned_ms' },
    { limit: 50, sort: '-last_unsigned_ms', unsigned: true },
  ],
  [
    { unsigned: 'maybe', sort: 'colour', q: '' },
    { limit: 50, sort: 'integration' },
  ],
  [
    { unsigned: 'false', integration: 'vpn', q: '192', cursor: 'c' },
    { limit: 50, sort: 'integration', unsigned: false, integration: 'vpn', q: '192', cursor: 'c' },
  ],
])('asks for %j', (search, want) => expect(queryOf(search)).toEqual(want));
