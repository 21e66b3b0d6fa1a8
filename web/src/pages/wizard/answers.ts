/** What the five questions ask, and the `authproxy.cfg` that the answers come to. */
import type { Schemas } from '@/api/client';
import type { DeviceMode, DeviceTemplate } from '@/devices/template';

export type Primary = 'ad' | 'ldap' | 'radius' | 'device';
export type Transport = 'ldaps' | 'starttls' | 'clear';

/** A file that the configuration names. */
export interface NamedFile {
  name: string;
  content: string;
}

export interface Answers {
  /** A template's id; empty: none of them. */
  device: string;
  address: string;
  secret: string;
  port: string;
  primary: Primary;
  directoryHost: string;
  directoryUser: string;
  directoryPassword: string;
  directoryBase: string;
  directoryTransport: Transport;
  directoryGroup: string;
  directoryCa: NamedFile | null;
  upstreamHost: string;
  upstreamPort: string;
  upstreamSecret: string;
  factor: 'builtin' | 'duo';
  ikey: string;
  skey: string;
  apiHost: string;
  /** Empty: no user is made. */
  user: string;
  mode: DeviceMode;
  certificate: NamedFile | null;
  key: NamedFile | null;
}

export type Question = 'device' | 'address' | 'passwords' | 'factor' | 'mode';
export const QUESTIONS: readonly Question[] = ['device', 'address', 'passwords', 'factor', 'mode'];

export const NO_ANSWERS: Answers = {
  device: '',
  address: '',
  secret: '',
  port: '1812',
  primary: 'ad',
  directoryHost: '',
  directoryUser: '',
  directoryPassword: '',
  directoryBase: '',
  directoryTransport: 'ldaps',
  directoryGroup: '',
  directoryCa: null,
  upstreamHost: '',
  upstreamPort: '1812',
  upstreamSecret: '',
  factor: 'builtin',
  ikey: '',
  skey: '',
  apiHost: '',
  user: '',
  mode: 'auto',
  certificate: null,
  key: null,
};

/** Letters and digits that nobody takes for others; devices take them all. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const LENGTH = 24;

/** A shared secret of some 139 bits. */
export function makeSecret(): string {
  let made = '';
  while (made.length < LENGTH) {
    for (const octet of crypto.getRandomValues(new Uint8Array(LENGTH))) {
      // Those above the last whole multiple would make some characters likelier.
      if (octet < 256 - (256 % ALPHABET.length)) made += ALPHABET[octet % ALPHABET.length];
    }
  }
  return made.slice(0, LENGTH);
}

/** Why a value cannot stand in the file; values are taken there as they are, but cut of blanks around them. */
export function valueFault(value: string): string | null {
  if (value === '') return 'Fill this in.';
  if (value.trim() !== value) return 'It begins or ends with a blank, which the file would not keep.';
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    if (code !== 9 && (code < 32 || (code >= 127 && code < 160)))
      return 'It has a line end or another control character, which no line of the file can hold.';
  }
  return null;
}

const port = (value: string) =>
  /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535
    ? null
    : 'A port is a number from 1 to 65535.';

const host = (value: string) =>
  valueFault(value) ??
  (/^[\w.-]+$|^[0-9a-fA-F:]+$/.test(value) ? null : 'A name or an address, without a scheme or a port.');

const address = (value: string) =>
  valueFault(value) ??
  (/^[0-9a-fA-F.:]+(\/[0-9.]+|-[0-9a-fA-F.:]+)?$/.test(value) && /[.:]/.test(value)
    ? null
    : 'An address, a network such as 10.0.2.0/24, or a range such as 10.0.0.1-10.0.0.9.');

const CHECKS: Record<Question, [field: keyof Answers, fault: (answers: Answers) => string | null][]> = {
  device: [],
  address: [
    ['address', ({ address: value }) => address(value)],
    ['secret', ({ secret }) => valueFault(secret)],
    ['port', (answers) => port(answers.port)],
  ],
  passwords: [
    ['directoryHost', (a) => (byDirectory(a) ? host(a.directoryHost) : null)],
    ['directoryUser', (a) => (byDirectory(a) ? valueFault(a.directoryUser) : null)],
    ['directoryPassword', (a) => (byDirectory(a) ? valueFault(a.directoryPassword) : null)],
    ['directoryBase', (a) => (byDirectory(a) ? valueFault(a.directoryBase) : null)],
    ['directoryGroup', (a) => (byDirectory(a) && a.directoryGroup ? valueFault(a.directoryGroup) : null)],
    ['upstreamHost', (a) => (a.primary === 'radius' ? host(a.upstreamHost) : null)],
    ['upstreamPort', (a) => (a.primary === 'radius' ? port(a.upstreamPort) : null)],
    ['upstreamSecret', (a) => (a.primary === 'radius' ? valueFault(a.upstreamSecret) : null)],
  ],
  factor: [
    ['ikey', (a) => (a.factor === 'duo' ? valueFault(a.ikey) : null)],
    ['skey', (a) => (a.factor === 'duo' ? valueFault(a.skey) : null)],
    ['apiHost', (a) => (a.factor === 'duo' ? valueFault(a.apiHost) : null)],
    ['user', (a) => (a.factor === 'builtin' && a.user ? valueFault(a.user) : null)],
  ],
  mode: [
    ['certificate', (a) => (a.mode === 'eap' && !a.certificate ? 'Choose the file.' : null)],
    ['key', (a) => (a.mode === 'eap' && !a.key ? 'Choose the file.' : null)],
    [
      'mode',
      (a) =>
        a.mode === 'duo_only' && a.primary !== 'device'
          ? 'In this mode the gateway sees no password: choose “The device itself” for where passwords are.'
          : null,
    ],
  ],
};

const byDirectory = ({ primary }: Answers) => primary === 'ad' || primary === 'ldap';

/** What is wrong with the answers to one question, by field. */
export function faultsOf(answers: Answers, question: Question): Partial<Record<keyof Answers, string>> {
  const faults: Partial<Record<keyof Answers, string>> = {};
  for (const [field, check] of CHECKS[question]) {
    const fault = check(answers);
    if (fault) faults[field] = fault;
  }
  return faults;
}

/** Whether anything was answered that would be lost. What is made here by itself is not. */
export function begun(answers: Answers): boolean {
  const { secret: _secret, port: _port, ...others } = NO_ANSWERS;
  return (Object.keys(others) as (keyof typeof others)[]).some((field) => answers[field] !== others[field]);
}

/** The answers up to a question, with those behind it such that nothing of them can be wrong. */
export function answersUpTo(answers: Answers, question: Question): Answers {
  const asked = (one: Question) => QUESTIONS.indexOf(one) <= QUESTIONS.indexOf(question);
  return {
    ...answers,
    ...(asked('passwords') ? {} : { primary: 'device' }),
    ...(asked('factor') ? {} : { factor: 'builtin' }),
    ...(asked('mode') ? {} : { mode: 'auto' }),
  };
}

/** Which field of a question an option of the file is. */
const FIELDS: Record<Question, Record<string, keyof Answers>> = {
  device: {},
  address: { radius_ip_1: 'address', radius_secret_1: 'secret', port: 'port' },
  passwords: {
    host: 'directoryHost',
    service_account_username: 'directoryUser',
    service_account_password: 'directoryPassword',
    search_dn: 'directoryBase',
    security_group_dn: 'directoryGroup',
    ssl_ca_certs_file: 'directoryCa',
    port: 'upstreamPort',
    secret: 'upstreamSecret',
  },
  factor: { ikey: 'ikey', skey: 'skey', api_host: 'apiHost' },
  mode: { certs: 'certificate', pkey: 'key' },
};

/** What the gateway finds wrong with the answers to one question: by field, and what is of none. */
export function foundAt(
  question: Question,
  answers: Answers,
  written: Written,
  diagnostics: readonly Schemas['Diagnostic'][],
): { faults: Partial<Record<keyof Answers, string>>; rest: string[] } {
  const faults: Partial<Record<keyof Answers, string>> = {};
  const rest: string[] = [];
  for (const { severity, line, option, message, remedy } of diagnostics) {
    if (severity !== 'error' || questionOf(written, line) !== question) continue;
    const text = sentence(message) + (remedy ? ` ${sentence(remedy)}` : '');
    const field =
      option === 'host' && answers.primary === 'radius' ? 'upstreamHost' : FIELDS[question][option ?? ''];
    if (field && isAsked(field, answers)) faults[field] ??= text;
    else rest.push(text);
  }
  return { faults, rest };
}

/** Whether a field is there to be filled in, beside what else is answered. */
function isAsked(field: keyof Answers, answers: Answers): boolean {
  if (field.startsWith('upstream')) return answers.primary === 'radius';
  if (field === 'directoryCa' && answers.directoryTransport === 'clear') return false;
  if (field.startsWith('directory')) return byDirectory(answers);
  return !/^(ikey|skey|apiHost)$/.test(field) || answers.factor === 'duo';
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(begun) ? begun : `${begun}.`;
}

/** The first of a kind's section names that is nobody's: `ad_client`, `ad_client2`, … */
export function freeName(kind: string, taken: ReadonlySet<string>): string {
  let name = kind;
  for (let number = 2; taken.has(name); number++) name = `${kind}${number}`;
  return name;
}

/** The first port from 1812 on, ten apart, at which nothing listens yet. */
export function freePort(taken: ReadonlySet<number>): number {
  let found = 1812;
  while (taken.has(found)) found += 10;
  return found;
}

export interface Written {
  text: string;
  /** By name: what goes along with it. */
  files: Record<string, string>;
  /** The question that each line answers; the first line is 1. */
  lines: Question[];
  /** The section of the integration, which is its id. */
  integration: string;
  /** Texts in it that are not for everybody's eyes. */
  secrets: string[];
}

/** The file of the answers. Call it when {@link faultsOf} has none. */
export function writeConfig(
  answers: Answers,
  device: DeviceTemplate | undefined,
  taken: ReadonlySet<string> = new Set(),
): Written {
  const rows: [Question, string][] = [];
  const files: Record<string, string> = {};
  const secrets: string[] = [];
  const say = (question: Question, ...lines: string[]) => {
    for (const line of lines) rows.push([question, line]);
  };
  const secret = (value: string) => {
    secrets.push(value);
    return value;
  };
  const file = ({ name, content }: NamedFile) => {
    // Files of two folders may have one name.
    let free = name;
    for (let number = 2; Object.hasOwn(files, free) && files[free] !== content; number++)
      free = `${number}-${name}`;
    files[free] = content;
    return free;
  };

  const kind = { ad: 'ad_client', ldap: 'ad_client', radius: 'radius_client', device: 'duo_only_client' };
  const client = answers.mode === 'duo_only' ? null : freeName(kind[answers.primary], taken);
  if (client) {
    say('passwords', `[${client}]`);
    if (byDirectory(answers)) {
      say(
        'passwords',
        `host=${answers.directoryHost}`,
        `service_account_username=${answers.directoryUser}`,
        `service_account_password=${secret(answers.directoryPassword)}`,
        `search_dn=${answers.directoryBase}`,
      );
      if (answers.directoryGroup) say('passwords', `security_group_dn=${answers.directoryGroup}`);
      if (answers.primary === 'ldap')
        say('passwords', 'auth_type=plain', 'username_attribute=uid', 'at_attribute=mail');
      say('passwords', `transport=${answers.directoryTransport}`);
      if (answers.directoryCa && answers.directoryTransport !== 'clear')
        say('passwords', `ssl_ca_certs_file=${file(answers.directoryCa)}`);
    }
    if (answers.primary === 'radius') {
      say('passwords', `host=${answers.upstreamHost}`);
      if (answers.upstreamPort !== '1812') say('passwords', `port=${answers.upstreamPort}`);
      say('passwords', `secret=${secret(answers.upstreamSecret)}`);
    }
    say('passwords', '');
  }

  const integration = freeName(`radius_server_${answers.mode}`, taken);
  say('mode', `[${integration}]`);
  if (answers.factor === 'duo') {
    say('factor', `ikey=${answers.ikey}`, `skey=${secret(answers.skey)}`, `api_host=${answers.apiHost}`);
  } else {
    say('factor', 'api_host=builtin');
  }
  if (client) say('passwords', `client=${client}`);
  say('mode', 'failmode=secure');
  for (const [name, value] of optionsOf(answers.mode, device)) say('device', `${name}=${value}`);
  if (answers.mode === 'eap' && answers.certificate && answers.key)
    say('mode', `certs=${file(answers.certificate)}`, `pkey=${file(answers.key)}`);
  if (answers.port !== '1812') say('address', `port=${answers.port}`);
  say('address', `radius_ip_1=${answers.address}`, `radius_secret_1=${secret(answers.secret)}`);
  return {
    text: `${rows.map(([, line]) => line).join('\n')}\n`,
    files,
    lines: rows.map(([question]) => question),
    integration,
    secrets: [...new Set(secrets)],
  };
}

/** What a device's page writes for it, as far as it is for this mode. */
function optionsOf(mode: DeviceMode, device: DeviceTemplate | undefined): [string, string][] {
  const everywhere = /^(client_ip_attr|message_authenticator_1)$/;
  return (device?.options ?? []).filter(
    ([name]) =>
      name !== 'failmode' && !/^(certs|pkey)$/.test(name) && (device?.mode === mode || everywhere.test(name)),
  );
}

/** The question to which a line of the text leads back. */
export function questionOf(written: Written, line: number | null | undefined): Question | undefined {
  return line ? written.lines[line - 1] : undefined;
}

/** The text as it may be seen by others. */
export function hideSecrets({ text, secrets }: Written): string {
  return text
    .split('\n')
    .map((line) => {
      const at = line.indexOf('=');
      return at > 0 && secrets.includes(line.slice(at + 1)) ? `${line.slice(0, at)}=••••••••` : line;
    })
    .join('\n');
}
