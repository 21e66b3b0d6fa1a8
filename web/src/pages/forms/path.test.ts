import { describe, expect, it } from 'vitest';
import { ApiError } from '@/api/client';
import type { DeviceTemplate } from '@/devices/template';
import { having } from './attributes';
import { authenticatorGroups } from './authenticator-fields';
import { readClients } from './client-lines';
import { documentOf, filled, forDevice } from './device';
import { duplicateOf } from './duplicate';
import { faultsOf, isAt, messageAt, pathInForm, wasTouched, withoutField } from './faults';
import { generateSecret } from './generate';
import { newIntegration } from './integration-fields';
import { applyPatch, changes, get, type Json, mergePatch, set } from './path';
import { rebase } from './rebase';

const mask = (fingerprint: string, at?: number) => ({
  set: true,
  fingerprint,
  ...(at ? { set_at_ms: at } : {}),
});

describe('a merge patch', () => {
  const cases: [name: string, before: Json, after: Json, patch: Json][] = [
    ['nothing', { a: 1 }, { a: 1 }, undefined],
    ['a field', { a: 1, b: 2 }, { a: 1, b: 3 }, { b: 3 }],
    ['a field that is gone', { a: 1, b: 2 }, { a: 1 }, { b: null }],
    ['a nested field', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { a: { c: 3 } }],
    ['a nested field that is gone', { a: { b: 1, c: 2 } }, { a: { b: 1 } }, { a: { c: null } }],
    ['lists are whole', { a: [1, 2] }, { a: [1, 3] }, { a: [1, 3] }],
    ['a secret in place of its mask', { s: mask('ab') }, { s: 'new' }, { s: 'new' }],
    ['the same secret, with a time', { s: mask('ab') }, { s: mask('ab', 5) }, undefined],
    [
      'another variant',
      { kind: { ad: { x: 1 } } },
      { kind: { radius: { y: 1 } } },
      { kind: { ad: null, radius: { y: 1 } } },
    ],
    ['a word in place of an object', { kind: { ad: {} } }, { kind: 'duo_only' }, { kind: 'duo_only' }],
  ];
  it.each(cases)('%s', (_, before, after, want) => {
    const patch = mergePatch(before, after);
    expect(patch).toEqual(want);
    if (patch !== undefined) expect(mergePatch(applyPatch(before, patch), after)).toBeUndefined();
  });

  it('counts fields', () => {
    expect(changes({ a: 1, b: { c: 2, d: null }, e: [1, 2, 3] })).toBe(4);
  });
});

describe('a path', () => {
  it('is read and written without a change of what was there', () => {
    const doc = { clients: [{ address: 'a' }, { address: 'b' }], prompt: { format: 'short' } };
    expect(get(doc, 'clients[1].address')).toBe('b');
    expect(get(doc, 'eap.certificates')).toBeUndefined();
    const next = set(doc, 'clients[1].address', 'c');
    expect(get(next, 'clients[1].address')).toBe('c');
    expect(get(doc, 'clients[1].address')).toBe('b');
    expect(set(doc, 'prompt.format', undefined)).toEqual({ ...doc, prompt: {} });
  });
});

describe('my changes on top of theirs', () => {
  const base = {
    port: 1,
    mode: 'auto',
    clients: [
      { address: 'a', s: 1 },
      { address: 'b', s: 1 },
    ],
  };
  it('keeps both', () => {
    expect(rebase(base, { ...base, port: 2 }, { ...base, mode: 'concat' })).toEqual({
      ...base,
      port: 2,
      mode: 'concat',
    });
  });
  it('keeps clients that only they added, changed or removed, and mine', () => {
    const mine = {
      ...base,
      clients: [
        { address: 'a', s: 2 },
        { address: 'b', s: 1 },
        { address: 'mine', s: 1 },
      ],
    };
    const theirs = {
      ...base,
      clients: [
        { address: 'a', s: 1 },
        { address: 'theirs', s: 1 },
      ],
    };
    expect(rebase(base, mine, theirs).clients).toEqual([
      { address: 'a', s: 2 },
      { address: 'theirs', s: 1 },
      { address: 'mine', s: 1 },
    ]);
  });
  it('keeps out what I removed', () => {
    const mine = { ...base, clients: [{ address: 'b', s: 1 }] };
    const theirs = {
      ...base,
      clients: [
        { address: 'a', s: 1 },
        { address: 'b', s: 3 },
      ],
    };
    expect(rebase(base, mine, theirs).clients).toEqual([{ address: 'b', s: 3 }]);
  });
});

describe('faults', () => {
  const ad = { kind: { ad: {} } };
  it.each([
    ['integration', {}, 'integrations[2].port', 'port'],
    ['integration', {}, 'application.skey', 'application.skey'],
    ['authenticator', ad, 'authenticators[0].hosts[1].name', 'kind.ad.hosts[1].name'],
    ['authenticator', ad, 'authenticators[0].id', 'id'],
    ['authenticator', ad, 'kind.ad.service_account_password', 'kind.ad.service_account_password'],
    ['settings', {}, 'settings.http_ca_certs', 'http_ca_certs'],
    ['authenticator', ad, 'integrations[0].authenticator', 'integrations[0].authenticator'],
  ] as const)('%s %j %s is at %s', (kind, doc, path, want) => {
    expect(pathInForm(kind, doc, path)).toBe(want);
  });

  it('stand at their field, and where there is none at the top', () => {
    const faults = [
      { path: 'port', message: 'is taken' },
      { path: 'exempt_users[1]', message: 'is empty' },
      { path: 'elsewhere', message: 'is strange' },
    ];
    expect(messageAt(faults, 'port')).toBe('is taken');
    expect(messageAt(faults, 'exempt_users')).toBe('2: is empty');
    expect(withoutField(faults, ['port', 'exempt_users'])).toEqual([faults[2]]);
    expect(isAt('portal', 'port')).toBe(false);
    expect(wasTouched(new Set(['clients']), 'clients[0].address')).toBe(true);
    expect(wasTouched(new Set(['port']), 'id')).toBe(false);
  });

  it('are of what is wrong with the document alone', () => {
    const error = new ApiError(
      412,
      {
        type: 'urn:countersign:problem:changed',
        title: '',
        status: 412,
        detail: '',
        errors: [{ path: 'a', message: '' }],
      },
      null,
    );
    expect(faultsOf('integration', {}, error)).toEqual([]);
  });
});

describe('pasted clients', () => {
  it('are lines of an address and a secret', () => {
    const text =
      '# office\n192.0.2.1 one\n\n192.0.2.0/24, two words\n2001:db8::1;three=3\r\n10.0.0.1-10.0.0.9\tfour\n';
    expect(readClients(text)).toEqual({
      clients: [
        { address: '192.0.2.1', secret: 'one' },
        { address: '192.0.2.0/24', secret: 'two words' },
        { address: '2001:db8::1', secret: 'three=3' },
        { address: '10.0.0.1-10.0.0.9', secret: 'four' },
      ],
      faults: [],
    });
  });
  it('that cannot be read are named by line, without their secret', () => {
    const { faults } = readClients(
      '192.0.2.1\nplanted-secret 192.0.2.1\n192.0.2.9 a\n192.0.2.9 b',
      new Set(['192.0.2.7']),
    );
    expect(faults.map(({ line }) => line)).toEqual([1, 2, 4]);
    expect(JSON.stringify(faults)).not.toContain('planted');
    expect(readClients('192.0.2.7 x', new Set(['192.0.2.7'])).faults).toHaveLength(1);
  });
});

describe('a made secret', () => {
  it('is long, another each time, and made of what can be typed', () => {
    const made = new Set(Array.from({ length: 50 }, () => generateSecret()));
    expect(made.size).toBe(50);
    for (const secret of made) expect(secret).toMatch(/^[A-HJ-NP-Za-km-z2-9]{32}$/);
  });
});

describe('a copy', () => {
  it('has no name and no secret of the first', () => {
    const copy = duplicateOf({
      id: 'vpn',
      port: 1,
      application: { ikey: 'DI', skey: mask('ab'), host: 'api.example.com', port: 443 },
      clients: [{ address: '192.0.2.1', secret: mask('cd') }],
      eap: { certificates: 'PEM', private_key: mask('ef') },
    });
    expect(JSON.stringify(copy)).not.toMatch(/fingerprint|vpn/);
    expect(copy).toMatchObject({
      port: 1,
      application: { ikey: 'DI', host: 'api.example.com' },
      eap: { certificates: 'PEM' },
    });
  });
});

describe('a device', () => {
  const row = (option: string | null, path: string, value: unknown, result = 'set') => ({
    line: 1,
    option,
    result: result as 'set',
    became: [{ path: `integrations[radius_server_challenge].${path}`, value }],
  });
  it('sets what its options became, and neither accounts nor clients', () => {
    const report = {
      silent: 0,
      left_out: 0,
      lines: [
        row(null, 'mode', 'challenge'),
        row('prompt_format', 'prompt.format', 'short'),
        row('failmode', 'fail_mode', 'secure'),
        row('ikey', 'application.ikey', 'DIXXX'),
        row('radius_ip_1', 'clients[0].address', '192.0.2.10'),
        row('port', 'port', 1, 'refused'),
      ],
    };
    const doc = documentOf(report, new Set(['prompt_format', 'failmode', 'port']), {
      id: 'a',
      mode: 'auto',
      port: 1812,
    });
    expect(doc).toEqual({
      id: 'a',
      mode: 'challenge',
      port: 1812,
      fail_mode: 'secure',
      prompt: { format: 'short' },
    });
  });
  it('takes the place of the device before, and of nothing that was typed', () => {
    const device = (id: string) => ({ id, mode: 'challenge', options: [] }) as unknown as DeviceTemplate;
    const report = {
      silent: 0,
      left_out: 0,
      lines: [row('radius_ip_1', 'clients[0].message_authenticator', 'require')],
    };
    const first = forDevice(report, device('fortigate'), newIntegration());
    expect(first).toMatchObject({
      id: 'fortigate',
      mode: 'challenge',
      clients: [{ address: '', message_authenticator: 'require' }],
    });
    const clients = [{ address: '192.0.2.1', secret: 'typed' }];
    const typed = { ...first, clients, exempt_users: ['root'], port: 1645 };
    const second = forDevice(report, device('asa'), typed, 'fortigate');
    expect(second).toMatchObject({ id: 'asa', clients, exempt_users: ['root'], port: 1645 });
    expect(forDevice(report, device('asa'), { ...typed, id: 'mine' }, 'fortigate').id).toBe('mine');
  });
  it("shows the integration's values in its settings", () => {
    const doc = { port: 1645, clients: [{ address: '10.1.1.1', secret: 'made' }] };
    expect(filled('server 192.0.2.5 port 1812 key Example-Secret-1 from 192.0.2.10', doc, 'gw')).toBe(
      'server gw port 1645 key made from 10.1.1.1',
    );
  });
});

it('an attribute is added to those that there are, and takes the place of its namesake', () => {
  const [a, b] = [
    { name: 'a', number: 1 },
    { name: 'b', number: 2 },
  ];
  expect(having([a, b], { name: 'a', number: 3 })).toEqual([b, { name: 'a', number: 3 }]);
  expect(having(undefined, a)).toEqual([a]);
});

it('servers at the usual port go along with their protection, and others stay', () => {
  const field = authenticatorGroups('ad')
    .flatMap(({ fields }) => fields)
    .find(({ path }) => path === 'kind.ad.transport');
  const doc = (transport: string, ...ports: number[]) => ({
    kind: { ad: { transport, hosts: ports.map((port) => ({ name: 'dc', port })) } },
  });
  const moved = (before: string, after: string, ...ports: number[]) =>
    get(field?.along?.(doc(before, ...ports), doc(after, ...ports)), 'kind.ad.hosts');
  expect(moved('ldaps', 'starttls', 636, 3269)).toEqual(get(doc('', 389, 3269), 'kind.ad.hosts'));
  expect(moved('starttls', 'clear', 389)).toEqual(get(doc('', 389), 'kind.ad.hosts'));
  expect(moved('clear', 'ldaps', 389, 3268)).toEqual(get(doc('', 636, 3268), 'kind.ad.hosts'));
});
