import type { Group } from './fields';
import { type Doc, get, isDoc, set } from './path';

export const KIND_NAMES: Record<string, string> = {
  ad: 'Directory (LDAP)',
  radius: 'Upstream RADIUS',
  duo_only: 'No password check',
};

const ntlm = (doc: Doc) => get(doc, 'kind.ad.auth_type') !== 'plain';
const plain = (doc: Doc) => !ntlm(doc);
const tls = (doc: Doc) => (get(doc, 'kind.ad.transport') ?? 'clear') !== 'clear';

/** The port of a server where nobody says another. */
export function usualPort(doc: Doc): number {
  if (get(doc, 'kind.ad') === undefined) return 1812;
  return get(doc, 'kind.ad.transport') === 'ldaps' ? 636 : 389;
}

/** Servers at the usual port of one protection are at that of another: nobody chose it. */
function withUsualPorts(before: Doc, after: Doc): Doc {
  const hosts = get(after, 'kind.ad.hosts');
  if (!Array.isArray(hosts)) return after;
  const moved = hosts.map((host) =>
    isDoc(host) && host.port === usualPort(before) ? { ...host, port: usualPort(after) } : host,
  );
  return set(after, 'kind.ad.hosts', moved);
}

const IDENTITY: Group = {
  id: 'identity',
  title: 'Name and kind',
  about: 'Who checks passwords. Integrations name it as their primary.',
  fields: [
    { path: 'id', label: 'Name', input: 'own' },
    { path: 'kind', label: 'Kind', input: 'own' },
  ],
};

const DIRECTORY: Group[] = [
  {
    id: 'hosts',
    title: 'Servers',
    about: 'Asked in this order: the next one when one does not answer.',
    fields: [
      { path: 'kind.ad.hosts', label: 'Servers', input: 'hosts', wide: true },
      {
        path: 'kind.ad.transport',
        label: 'Protection',
        input: 'cards',
        wide: true,
        names: { clear: 'None', starttls: 'StartTLS', ldaps: 'LDAPS' },
        along: withUsualPorts,
      },
      { path: 'kind.ad.ca_certs', label: 'Trusted certificates', input: 'pem', wide: true, when: tls },
      {
        path: 'kind.ad.verify_hostname',
        label: 'The certificate must name the host',
        input: 'switch',
        when: tls,
      },
      { path: 'kind.ad.timeout_seconds', label: 'Wait for each server', input: 'number', unit: 's' },
    ],
  },
  {
    id: 'account',
    title: 'Service account',
    about: 'Looks users up before their password is tried. It only needs to read.',
    fields: [
      { path: 'kind.ad.service_account_username', label: 'User name', input: 'text' },
      { path: 'kind.ad.service_account_password', label: 'Password', input: 'secret' },
      {
        path: 'kind.ad.auth_type',
        label: 'Bind method',
        input: 'words',
        names: { ntlm2: 'NTLMv2', plain: 'Simple bind' },
      },
      { path: 'kind.ad.bind_dn', label: 'Bind DN', input: 'text', when: plain },
      { path: 'kind.ad.ntlm_domain', label: 'NTLM domain', input: 'text', when: ntlm },
      { path: 'kind.ad.ntlm_workstation', label: 'NTLM workstation', input: 'text', when: ntlm },
    ],
  },
  {
    id: 'users',
    title: 'Users',
    about: 'Where people are found, and who of them may log in.',
    fields: [
      {
        path: 'kind.ad.search_dn',
        label: 'Search under',
        input: 'text',
        wide: true,
        placeholder: 'DC=example,DC=com',
      },
      { path: 'kind.ad.username_attribute', label: 'Attribute of the user name', input: 'text' },
      { path: 'kind.ad.at_attribute', label: 'Attribute of names with an @', input: 'text' },
      {
        path: 'kind.ad.security_groups',
        label: 'Only members of these groups',
        input: 'lines',
        wide: true,
        placeholder: 'anyone; one DN in a line',
      },
      { path: 'kind.ad.nested_groups', label: 'Groups within groups count', input: 'switch' },
      {
        path: 'kind.ad.ldap_filter',
        label: 'Filter',
        input: 'text',
        wide: true,
        placeholder: '(memberOf=CN=VPN,DC=example,DC=com)',
      },
    ],
  },
];

const RADIUS: Group[] = [
  {
    id: 'hosts',
    title: 'Servers',
    about: 'Asked in turn: the next one when one does not answer.',
    fields: [
      { path: 'kind.radius.hosts', label: 'Servers', input: 'hosts', wide: true },
      { path: 'kind.radius.secret', label: 'Shared secret', input: 'secret', made: true },
      {
        path: 'kind.radius.require_message_authenticator',
        label: 'Answers must have a Message-Authenticator',
        input: 'switch',
      },
      { path: 'kind.radius.retries', label: 'Repeats', input: 'number' },
      { path: 'kind.radius.retry_wait_seconds', label: 'Wait for each try', input: 'number', unit: 's' },
    ],
  },
  {
    id: 'attributes',
    title: 'Attributes',
    about: 'What goes to the upstream, and what of its answer comes back to the device.',
    fields: [
      {
        path: 'kind.radius.nas_ip',
        label: 'NAS-IP-Address',
        input: 'text',
        placeholder: 'the address the request leaves from',
      },
      {
        path: 'kind.radius.password_codec',
        label: 'Password encoding',
        input: 'words',
        names: { 'utf-8': 'UTF-8', 'latin-1': 'Latin-1 (ISO 8859-1)' },
      },
      { path: 'kind.radius.pass_through.all', label: 'All attributes come back', input: 'switch' },
      {
        path: 'kind.radius.pass_through.attributes',
        label: 'Attributes that come back',
        input: 'attributes',
        wide: true,
      },
    ],
  },
];

export function authenticatorGroups(kind: string): Group[] {
  if (kind === 'ad') return [IDENTITY, ...DIRECTORY];
  if (kind === 'radius') return [IDENTITY, ...RADIUS];
  return [IDENTITY];
}

/** What a new one of a kind begins with: the fields that the API wants to see. */
export function newKind(kind: string): Doc[string] {
  if (kind === 'ad') {
    return {
      ad: {
        hosts: [{ name: '', port: 636 }],
        transport: 'ldaps',
        service_account_username: '',
        service_account_password: '',
        search_dn: '',
        username_attribute: 'sAMAccountName',
        at_attribute: 'userPrincipalName',
        auth_type: 'ntlm2',
      },
    };
  }
  if (kind === 'radius') return { radius: { hosts: [{ name: '', port: 1812 }], secret: '' } };
  return 'duo_only';
}
