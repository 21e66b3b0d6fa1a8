import type { Field, Group } from './fields';
import { type Doc, get } from './path';

/** Whether an integration uses the second factor that comes with the program. */
export function isBuiltIn(doc: Doc): boolean {
  return get(doc, 'application.host') === 'builtin' || typeof get(doc, 'application.pinned_ca') === 'string';
}

const outside = (doc: Doc) => !isBuiltIn(doc);

export const MODE_NAMES: Record<string, string> = {
  auto: 'Auto',
  challenge: 'Challenge',
  eap: 'EAP',
  concat: 'Concat',
  duo_only: 'Factor only',
};

export const CLIENT_FIELDS: Field[] = [
  { path: 'clients[].address', label: 'Address', input: 'text', placeholder: '192.0.2.10 or 192.0.2.0/24' },
  { path: 'clients[].secret', label: 'Shared secret', input: 'secret', made: true },
  {
    path: 'clients[].message_authenticator',
    label: 'Message-Authenticator',
    input: 'cards',
    names: { auto: 'Automatic', require: 'Required', off: 'Off, for one old device' },
  },
];

export const INTEGRATION_GROUPS: Group[] = [
  {
    id: 'identity',
    title: 'Name and mode',
    about:
      'The mode is how people log in: whether they see a menu, type a factor, or do nothing but approve.',
    fields: [
      { path: 'id', label: 'Name', input: 'own' },
      { path: 'mode', label: 'Mode', input: 'own' },
    ],
  },
  {
    id: 'listen',
    title: 'Where it listens',
    about:
      'Devices send their requests here, by UDP. Integrations may share a port when their clients differ.',
    fields: [
      { path: 'port', label: 'UDP port', input: 'number' },
      { path: 'listen', label: 'Listen address', input: 'text', placeholder: 'all, IPv4 and IPv6' },
    ],
  },
  {
    id: 'clients',
    title: 'Clients',
    about:
      'The devices that may ask: VPN gateways, firewalls, access points. Each with the secret that it shares with this gateway. Requests from others are discarded.',
    fields: CLIENT_FIELDS,
  },
  {
    id: 'primary',
    title: 'Primary',
    about: 'Who checks the password, before the second factor is asked.',
    fields: [
      { path: 'authenticator', label: 'Authenticator', input: 'authenticator' },
      {
        path: 'password_codec',
        label: 'Password encoding',
        input: 'words',
        names: { 'utf-8': 'UTF-8', 'latin-1': 'Latin-1 (ISO 8859-1)' },
      },
      {
        path: 'exempt_users',
        label: 'Users without a second factor',
        input: 'lines',
        wide: true,
        placeholder: 'one in a line',
      },
    ],
  },
  {
    id: 'second',
    title: 'Second factor',
    about: 'Which service is asked, what it may do, and what happens while it cannot be reached.',
    fields: [
      {
        path: 'application.host',
        label: 'Host',
        input: 'text',
        placeholder: 'api-xxxxxxxx.duosecurity.com',
        when: outside,
      },
      { path: 'application.port', label: 'TCP port', input: 'number', when: outside },
      { path: 'application.ikey', label: 'Integration key', input: 'text', when: outside },
      { path: 'application.skey', label: 'Secret key', input: 'secret', when: outside },
      {
        path: 'fail_mode',
        label: 'When it is unreachable',
        input: 'cards',
        wide: true,
        names: { safe: 'Let people in (safe)', secure: 'Let nobody in (secure)' },
      },
      {
        path: 'factors',
        label: 'Factors',
        input: 'factors',
        wide: true,
        names: {
          auto: 'Automatic',
          push: 'Push',
          phone: 'Phone call',
          sms: 'SMS passcodes',
          passcode: 'Passcode',
        },
      },
    ],
  },
  {
    id: 'append',
    title: 'Factor behind the password',
    about: 'People may type a factor behind their password: password,123456 or password,push.',
    fields: [
      { path: 'append.allow', label: 'A factor may be appended', input: 'switch' },
      { path: 'append.delimiter', label: 'Delimiter', input: 'text' },
      {
        path: 'append.password_length',
        label: 'Length of all passwords',
        input: 'number',
        placeholder: 'split at the delimiter',
      },
    ],
  },
  {
    id: 'prompt',
    title: 'Prompt',
    about: 'What people read when they are asked, on the screen of the device.',
    fields: [
      {
        path: 'prompt.format',
        label: 'Shape of the menu',
        input: 'words',
        names: { console: 'Lines of text', html: 'Lines, joined by <br>', short: 'One line' },
      },
      { path: 'prompt.passcode_retries', label: 'Extra tries after a wrong passcode', input: 'number' },
      { path: 'prompt.split', label: 'Long menus over several attributes', input: 'switch' },
      { path: 'prompt.enroll_challenge', label: 'Enrolment link in a challenge', input: 'switch' },
    ],
  },
  {
    id: 'eap',
    title: 'EAP',
    about: 'The certificate that devices see in PEAP and EAP-TTLS, and how the tunnel is made.',
    fields: [
      { path: 'eap.certificates', label: 'Certificate and its chain', input: 'pem', wide: true },
      { path: 'eap.private_key', label: 'Private key', input: 'secret-pem', wide: true },
      {
        path: 'eap.minimum_tls',
        label: 'Lowest TLS version',
        input: 'words',
        names: { 'tls1.2': 'TLS 1.2', 'tls1.3': 'TLS 1.3' },
      },
      { path: 'eap.cipher_suites', label: 'Cipher suites', input: 'several', wide: true },
    ],
  },
  {
    id: 'attributes',
    title: 'Attributes',
    about: 'RADIUS attributes that are read, or go through to an upstream RADIUS server and back.',
    fields: [
      {
        path: 'client_ip_attribute',
        label: "Attribute of the user's own address",
        input: 'attribute',
        wide: true,
      },
      { path: 'pass_through.all', label: 'Pass all attributes', input: 'switch' },
      { path: 'pass_through.attributes', label: 'Attributes to pass', input: 'attributes', wide: true },
    ],
  },
  {
    id: 'advanced',
    title: 'Advanced',
    about: 'Rarely needed.',
    fields: [
      {
        path: 'api_timeout_seconds',
        label: 'Time for a call to the second factor',
        input: 'number',
        unit: 's',
      },
      {
        path: 'application.pinned_ca',
        label: 'Only trust roots of the second factor',
        input: 'pem',
        wide: true,
        when: outside,
      },
    ],
  },
];

/** What a new one begins with. The API says what is missing; secrets have to be there to be looked at. */
export function newIntegration(mode = 'auto'): Doc {
  return {
    id: '',
    mode,
    port: 1812,
    fail_mode: 'secure',
    application: { ikey: '', skey: '', host: 'builtin' },
    clients: [],
  };
}
