import { describe, expect, it } from 'vitest';
import { parseDevice } from '@/devices/template';
import {
  type Answers,
  answersUpTo,
  begun,
  faultsOf,
  foundAt,
  freeName,
  freePort,
  hideSecrets,
  makeSecret,
  NO_ANSWERS,
  QUESTIONS,
  questionOf,
  valueFault,
  writeConfig,
} from './answers';

const FORTIGATE = parseDevice(
  'fortigate',
  `# Box

A box.

\`\`\`ini
[radius_server_challenge]
ikey=DI
failmode=secure
prompt_format=short
client_ip_attr=Framed-IP-Address
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1
\`\`\`
`,
);
const BASE: Answers = { ...NO_ANSWERS, address: '10.0.0.1', secret: 'psst', primary: 'device' };
const DIRECTORY: Partial<Answers> = {
  directoryHost: 'dc1.example.com',
  directoryUser: 'svc',
  directoryPassword: 'p;w#=1',
  directoryBase: 'DC=example,DC=com',
};

const FILES: [string, Partial<Answers>, boolean, string][] = [
  [
    'the device knows the passwords, the factor is built in',
    {},
    false,
    '[duo_only_client]\n\n[radius_server_auto]\napi_host=builtin\nclient=duo_only_client\nfailmode=secure\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
  [
    'Active Directory and Duo, in the mode of the device',
    {
      ...DIRECTORY,
      primary: 'ad',
      factor: 'duo',
      ikey: 'DI1',
      skey: 'SK',
      apiHost: 'api-1.duosecurity.com',
      mode: 'challenge',
      port: '1645',
    },
    true,
    '[ad_client]\nhost=dc1.example.com\nservice_account_username=svc\nservice_account_password=p;w#=1\nsearch_dn=DC=example,DC=com\ntransport=ldaps\n\n[radius_server_challenge]\nikey=DI1\nskey=SK\napi_host=api-1.duosecurity.com\nclient=ad_client\nfailmode=secure\nprompt_format=short\nclient_ip_attr=Framed-IP-Address\nport=1645\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
  [
    'another directory with a CA and a group',
    {
      ...DIRECTORY,
      primary: 'ldap',
      directoryGroup: 'cn=vpn,dc=example,dc=com',
      directoryTransport: 'starttls',
      directoryCa: { name: 'ca.pem', content: 'PEM' },
    },
    false,
    '[ad_client]\nhost=dc1.example.com\nservice_account_username=svc\nservice_account_password=p;w#=1\nsearch_dn=DC=example,DC=com\nsecurity_group_dn=cn=vpn,dc=example,dc=com\nauth_type=plain\nusername_attribute=uid\nat_attribute=mail\ntransport=starttls\nssl_ca_certs_file=ca.pem\n\n[radius_server_auto]\napi_host=builtin\nclient=ad_client\nfailmode=secure\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
  [
    'an upstream, in another mode than the device’s: its prompts stay out',
    {
      primary: 'radius',
      upstreamHost: '10.0.0.9',
      upstreamPort: '1645',
      upstreamSecret: 'up',
      mode: 'concat',
    },
    true,
    '[radius_client]\nhost=10.0.0.9\nport=1645\nsecret=up\n\n[radius_server_concat]\napi_host=builtin\nclient=radius_client\nfailmode=secure\nclient_ip_attr=Framed-IP-Address\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
  [
    'the password field is the factor',
    { mode: 'duo_only' },
    false,
    '[radius_server_duo_only]\napi_host=builtin\nfailmode=secure\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
  [
    'EAP with its certificate',
    { mode: 'eap', certificate: { name: 'r.pem', content: 'C' }, key: { name: 'r.key', content: 'K' } },
    false,
    '[duo_only_client]\n\n[radius_server_eap]\napi_host=builtin\nclient=duo_only_client\nfailmode=secure\ncerts=r.pem\npkey=r.key\nradius_ip_1=10.0.0.1\nradius_secret_1=psst\n',
  ],
];

describe('the file', () => {
  it.each(FILES)('%s', (_, answers, withDevice, want) => {
    const all = { ...BASE, ...answers };
    for (const question of QUESTIONS) expect(faultsOf(all, question)).toEqual({});
    const written = writeConfig(all, withDevice ? FORTIGATE : undefined);
    expect(written.text).toBe(want);
    expect(written.lines).toHaveLength(want.split('\n').length - 1);
  });

  it('takes names that are nobody’s, and brings its files along', () => {
    const answers: Answers = {
      ...BASE,
      ...DIRECTORY,
      primary: 'ad',
      directoryCa: { name: 'a', content: 'b' },
    };
    const written = writeConfig(answers, undefined, new Set(['ad_client', 'radius_server_auto']));
    expect(written.text).toContain('[ad_client2]');
    expect(written.text).toContain('client=ad_client2\n');
    expect(written.integration).toBe('radius_server_auto2');
    expect(written.files).toEqual({ a: 'b' });
  });

  it('keeps files of one name apart, and has the same file once', () => {
    const eap: Partial<Answers> = {
      primary: 'ad',
      mode: 'eap',
      directoryCa: { name: 'ca.pem', content: 'A' },
      certificate: { name: 'ca.pem', content: 'B' },
      key: { name: 'ca.pem', content: 'A' },
    };
    const { text, files } = writeConfig({ ...BASE, ...DIRECTORY, ...eap }, undefined);
    expect(files).toEqual({ 'ca.pem': 'A', '2-ca.pem': 'B' });
    expect(text).toMatch(/ssl_ca_certs_file=ca\.pem\n/);
    expect(text).toMatch(/certs=2-ca\.pem\npkey=ca\.pem\n/);
  });

  it('leads from a line back to its question, and hides its secrets', () => {
    const written = writeConfig({ ...BASE, ...DIRECTORY, primary: 'ad' }, undefined);
    const line = (text: string) => written.text.split('\n').findIndex((each) => each.startsWith(text)) + 1;
    expect(questionOf(written, line('search_dn'))).toBe('passwords');
    expect(questionOf(written, line('api_host'))).toBe('factor');
    expect(questionOf(written, line('radius_ip_1'))).toBe('address');
    expect(questionOf(written, null)).toBeUndefined();
    expect(hideSecrets(written)).not.toMatch(/psst|p;w#=1/);
    expect(hideSecrets(written)).toContain('host=dc1.example.com');
  });
});

describe('answers', () => {
  it.each([
    ['what is literal there', 'a%b;c#d="e" [f]', null],
    ['a tab within', 'a\tb', null],
    ['letters of any script', 'пароль', null],
    ['nothing', '', /fill/i],
    ['a blank in front', ' a', /blank/],
    ['a line end', 'a\nradius_ip_2=0.0.0.0/0', /control/],
    ['another control character', 'a\u0000', /control/],
  ])('%s', (_, value, want) => {
    const fault = valueFault(value);
    if (want) expect(fault).toMatch(want);
    else expect(fault).toBeNull();
  });

  it.each<[string, Partial<Answers>, (typeof QUESTIONS)[number], (keyof Answers)[]]>([
    ['an address that is none', { address: 'vpn.example.com' }, 'address', ['address']],
    ['a number in place of an address', { address: '12' }, 'address', ['address']],
    ['a network', { address: '10.0.0.0/24' }, 'address', []],
    ['an IPv6 address', { address: '2001:db8::1' }, 'address', []],
    ['a port', { port: '70000' }, 'address', ['port']],
    [
      'a host with a scheme',
      { primary: 'radius', upstreamHost: 'udp://x', upstreamSecret: 'a' },
      'passwords',
      ['upstreamHost'],
    ],
    [
      'a directory without anything',
      { primary: 'ad' },
      'passwords',
      ['directoryHost', 'directoryUser', 'directoryPassword', 'directoryBase'],
    ],
    ['Duo without keys', { factor: 'duo' }, 'factor', ['ikey', 'skey', 'apiHost']],
    ['EAP without a certificate', { mode: 'eap' }, 'mode', ['certificate', 'key']],
    ['no password for duo_only', { mode: 'duo_only', primary: 'radius' }, 'mode', ['mode']],
  ])('are looked at: %s', (_, answers, question, fields) => {
    expect(Object.keys(faultsOf({ ...BASE, ...answers }, question))).toEqual(fields);
  });
});

it('a secret is long, of plain characters, and another each time', () => {
  const made = new Set(Array.from({ length: 50 }, makeSecret));
  expect(made.size).toBe(50);
  for (const secret of made) expect(secret).toMatch(/^[a-zA-Z2-9]{24}$/);
});

it('names and ports that are taken are passed by', () => {
  expect(freeName('ad_client', new Set(['ad_client', 'ad_client2']))).toBe('ad_client3');
  expect(freePort(new Set([1812, 1822]))).toBe(1832);
});

describe('what the gateway finds', () => {
  const found = (question: (typeof QUESTIONS)[number], answers: Answers, want: string, message: string) => {
    const upTo = answersUpTo(answers, question);
    const written = writeConfig(upTo, undefined);
    const line = written.text.split('\n').findIndex((one) => one.startsWith(`${want}=`)) + 1;
    expect(line).toBeGreaterThan(0);
    return foundAt(question, upTo, written, [
      { file: 'authproxy.cfg', severity: 'warning', line, option: want, message: 'not this' },
      { file: 'authproxy.cfg', severity: 'error', line, option: want, message, remedy: 'write another' },
    ]);
  };

  it('is said at the field, as sentences', () => {
    const answers = { ...BASE, address: '10.0.0.300' };
    expect(found('address', answers, 'radius_ip_1', 'it is no address').faults).toEqual({
      address: 'It is no address. Write another.',
    });
  });

  it('knows one host from the other', () => {
    const upstream: Answers = { ...BASE, primary: 'radius', upstreamHost: 'x', upstreamSecret: 's' };
    expect(Object.keys(found('passwords', upstream, 'host', 'no').faults)).toEqual(['upstreamHost']);
    const directory: Answers = { ...BASE, ...DIRECTORY, primary: 'ad' };
    expect(Object.keys(found('passwords', directory, 'host', 'no').faults)).toEqual(['directoryHost']);
  });

  it('is told beside the fields where it is of none', () => {
    expect(found('mode', BASE, 'failmode', 'no').rest).toEqual(['No. Write another.']);
  });

  it('is told beside the fields where its field is not asked for', () => {
    expect(found('factor', { ...BASE, factor: 'builtin' }, 'api_host', 'not here')).toEqual({
      faults: {},
      rest: ['Not here. Write another.'],
    });
  });

  it('leaves out what is of another question', () => {
    const written = writeConfig(BASE, undefined);
    const at = { file: 'authproxy.cfg', severity: 'error', line: 1, message: 'no' } as const;
    expect(foundAt('address', BASE, written, [at, { ...at, line: null }])).toEqual({ faults: {}, rest: [] });
  });

  it('is of nothing that was not asked yet', () => {
    const { text } = writeConfig(
      answersUpTo({ ...BASE, primary: 'ad', factor: 'duo' }, 'address'),
      undefined,
    );
    expect(text).not.toMatch(/ad_client|ikey/);
  });
});

it('an answer is what somebody gave, not what was made for them', () => {
  expect(begun({ ...NO_ANSWERS, secret: makeSecret(), port: '1822' })).toBe(false);
  expect(begun({ ...NO_ANSWERS, address: '10.0.0.1' })).toBe(true);
});
