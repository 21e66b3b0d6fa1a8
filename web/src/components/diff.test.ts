import { expect, test } from 'vitest';
import { said } from './diff-values';
import { inWords } from './diff-words';
import { shown } from './shown';

const block = (inside: string) => `-----BEGIN CERTIFICATE-----\n${inside}\n-----END CERTIFICATE-----`;
const [one, other, evil] = [block('MIIBoz\nAbCd=='), block('MIIBoz\nEfGh=='), block('MIIBoz\nEvil==')];
const secret = { set: true, fingerprint: '0123456789abcdef' };
const replaced = { set: true, fingerprint: '89abcdef01234567' };
const lines = (differences: Parameters<typeof inWords>[0]) =>
  inWords(differences).map(({ title, change, lines }) => ({
    title,
    change,
    lines: lines.map(({ label, before, after }) => [label, before?.text ?? null, after?.text ?? null]),
  }));

test('of certificates what differs is there whole, wherever it stands', () => {
  const before = `${one}\n${other}\n`;
  const bodies = (value: string, beside: string) => said(value, beside).blocks.map(({ body }) => body);
  expect(said(before, `${evil}\n${other}\n`).text).toBe('1 part as on the other side, and:');
  expect(bodies(before, `${evil}\n${other}\n`)).toEqual([one]);
  expect(bodies(`${evil}\n${other}\n`, before)).toEqual([evil]);
  expect(bodies(before, `${one}\n`)).toEqual([other]);
  expect(bodies(before, evil)).toEqual([one, other]);
  expect(said(one, undefined as never)).toEqual({
    text: '',
    blocks: [{ name: 'Certificate that ends in IBozAbCd', body: one }],
  });
});

test('what is not certificates alone is shown as it is', () => {
  const text = `evil.example.com ${one}`;
  expect(said(text, one)).toEqual({ text, blocks: [] });
  expect(shown({ ca: one, secret })).toContain('secret 01234567…');
  expect(shown('')).toBe('""');
});

test('a change is said at the label of its field, with the words of the form', () => {
  const all = lines([
    { path: 'integrations[vpn].exempt_users', before: [], after: ['zoe'] },
    { path: 'integrations[vpn].fail_mode', before: 'safe', after: 'secure' },
    { path: 'integrations[vpn].append.allow', before: true, after: false },
    { path: 'integrations[vpn].append.delimiter', before: ',', after: ' ' },
    { path: 'integrations[vpn].api_timeout_seconds', before: 0, after: 30 },
    { path: 'integrations[vpn].clients[2001:db8::1].secret', before: secret, after: replaced },
    { path: 'integrations[vpn].clients[10.0.0.0/8].message_authenticator', before: 'auto', after: 'require' },
    { path: 'integrations[vpn].clients[10.0.0.1]', after: { address: '10.0.0.1', secret } },
    { path: 'integrations[vpn].clients (order)', before: ['a', 'b'], after: ['b', 'a'] },
    { path: 'integrations[vpn].client_ip_attribute.number', before: 31, after: 32 },
    {
      path: 'authenticators[dir].kind.ad.hosts',
      before: [{ name: 'dc1', port: 389 }],
      after: [{ name: '2001:db8::1', port: 636 }],
    },
    { path: 'settings.debug', before: false, after: true },
    { path: 'settings.http_proxy', after: { host: 'proxy.example.com', port: 3128 } },
    { path: 'user.status', before: 'active', after: 'locked_out' },
  ]);
  expect(all).toEqual([
    {
      title: 'Integration vpn',
      change: 'changed',
      lines: [
        ['Users without a second factor', null, 'zoe'],
        ['When it is unreachable', 'Let people in (safe)', 'Let nobody in (secure)'],
        ['A factor may be appended', 'yes', 'no'],
        ['Delimiter', '“,”', '“ ”'],
        ['Time for a call to the second factor', '0 s', '30 s'],
        ['Client 2001:db8::1: Shared secret', 'secret 01234567…', 'secret 89abcdef…'],
        ['Client 10.0.0.0/8: Message-Authenticator', 'Automatic', 'Required'],
        ['Client 10.0.0.1', null, 'secret 01234567…'],
        ['Clients: order', 'a\nb', 'b\na'],
        ["Attribute of the user's own address: number", '31', '32'],
      ],
    },
    {
      title: 'Authenticator dir',
      change: 'changed',
      lines: [['Servers', 'dc1:389', '[2001:db8::1]:636']],
    },
    {
      title: 'Settings',
      change: 'changed',
      lines: [
        ['Each step of each login', 'no', 'yes'],
        ['HTTP proxy', null, 'proxy.example.com'],
        ["The proxy's port", null, '3128'],
      ],
    },
    { title: 'User', change: 'changed', lines: [['Status', 'active', 'locked_out']] },
  ]);
});

test('of something new what holds anyway is left out, and what decides who gets in is not', () => {
  const [thing] = inWords([
    {
      path: 'integrations[vpn]',
      after: {
        id: 'vpn',
        mode: 'auto',
        port: 1812,
        fail_mode: 'safe',
        authenticator: 'dir',
        factors: ['auto'],
        append: { allow: true, delimiter: ',' },
        prompt: { format: 'console', passcode_retries: 2 },
        exempt_users: [],
        application: { ikey: 'DIBUILTIN', skey: secret, host: 'localhost', port: 8444, pinned_ca: one },
        clients: [{ address: '10.0.0.1', secret, message_authenticator: 'require' }],
      },
    },
  ]);
  expect(thing?.change).toBe('added');
  expect(thing?.lines.filter(({ made }) => !made).map(({ label, after }) => [label, after?.text])).toEqual([
    ['Mode', 'Auto'],
    ['UDP port', '1812'],
    ['Client 10.0.0.1', 'secret 01234567…, Message-Authenticator: Required'],
    ['Authenticator', 'dir'],
    ['Service', 'Built in'],
    ['When it is unreachable', 'Let people in (safe)'],
    ['Extra tries after a wrong passcode', '2'],
  ]);
  expect(thing?.lines.filter(({ made }) => made)).toHaveLength(5);
  expect(thing?.defaults).toBe(4);
});

test('what is a default in other modes alone is said', () => {
  const [thing] = inWords([
    {
      path: 'integrations[wlan]',
      after: { id: 'wlan', mode: 'eap', factors: ['auto'], append: { allow: false } },
    },
  ]);
  expect(thing?.lines.map(({ label, after }) => [label, after?.text])).toEqual([
    ['Mode', 'EAP'],
    ['Factors', 'Automatic'],
  ]);
  expect(thing?.defaults).toBe(1);
});

test('of something that goes only what it said is told', () => {
  expect(
    lines([
      {
        path: 'integrations[vpn]',
        before: { id: 'vpn', mode: 'auto', port: 1812, exempt_users: [], listen: null, clients: [] },
      },
    ]),
  ).toEqual([
    {
      title: 'Integration vpn',
      change: 'removed',
      lines: [
        ['Mode', 'Auto', null],
        ['UDP port', '1812', null],
      ],
    },
  ]);
});

test('a service elsewhere is never said to be built in', () => {
  const application = { ikey: 'DI', skey: secret, host: 'evil.example.com', port: 443, pinned_ca: evil };
  const [thing] = inWords([{ path: 'integrations[vpn]', after: { id: 'vpn', mode: 'auto', application } }]);
  expect(thing?.lines.some(({ made, label }) => made || label === 'Service')).toBe(false);
  expect(thing?.lines.map(({ after }) => after?.text)).toContain('evil.example.com');
});

test('another kind is named, and what it had and has is said', () => {
  expect(
    lines([
      { path: 'authenticators[a].kind.radius', after: { hosts: [{ name: 'up', port: 1812 }], secret } },
      { path: 'authenticators[a].kind.ad', before: { search_dn: 'DC=example' } },
      { path: 'authenticators[b].kind', before: 'duo_only', after: { ad: { search_dn: 'DC=example' } } },
    ]),
  ).toEqual([
    {
      title: 'Authenticator a',
      change: 'changed',
      lines: [
        ['Kind', 'Directory (LDAP)', 'Upstream RADIUS'],
        ['Servers', null, 'up:1812'],
        ['Shared secret', null, 'secret 01234567…'],
        ['Search under', 'DC=example', null],
      ],
    },
    {
      title: 'Authenticator b',
      change: 'changed',
      lines: [
        ['Kind', 'No password check', 'Directory (LDAP)'],
        ['Search under', null, 'DC=example'],
      ],
    },
  ]);
});
