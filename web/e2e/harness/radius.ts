/** Real logins: what a device sends, by FreeRADIUS's `radclient`. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A request as a device sends it. */
export interface Login {
  /** The integration's UDP port. */
  port: number;
  /** The node's address. Default: 127.0.0.1. */
  host?: string;
  secret: string;
  user: string;
  /** The password, or what is typed as the answer to a challenge. Default: `anything`. */
  password?: string;
  /**
   * Further attributes, as radclient reads them. Text is {@link quoted},
   * `Packet-Src-IP-Address` is the device's own address.
   */
  attributes?: [name: string, value: string][];
  /** The State of the challenge that is answered. */
  state?: string;
  /** Whether a Message-Authenticator is sent. Default: true. */
  messageAuthenticator?: boolean;
  /** How long the answer is waited for, in seconds. The request is sent once. Default: 20. */
  patience?: number;
}

/** What came back. */
export interface Answer {
  /** `none` where no answer came, or none that verifies. */
  code: 'Access-Accept' | 'Access-Reject' | 'Access-Challenge' | 'none';
  /** What the person reads: all Reply-Messages, a line each. */
  replyMessage: string;
  /** Of a challenge: what its answer carries. */
  state: string | undefined;
  /** All values of all attributes, in order. */
  attributes: [name: string, value: string][];
}

/** Sends a login and waits for its answer. */
export async function login(request: Login): Promise<Answer> {
  const lines = [
    `User-Name = ${quoted(request.user)}`,
    `User-Password = ${quoted(request.password ?? 'anything')}`,
    ...(request.messageAuthenticator === false ? [] : ['Message-Authenticator = 0x00']),
    ...(request.state === undefined ? [] : [`State = ${request.state}`]),
    ...(request.attributes ?? []).map(([name, value]) => `${name} = ${value}`),
  ];
  const folder = await mkdtemp(join(tmpdir(), 'countersign-radclient-'));
  try {
    const secret = join(folder, 'secret');
    await writeFile(secret, `${request.secret}\n`, { mode: 0o600 });
    const patience = String(request.patience ?? 20);
    const where = `${request.host ?? '127.0.0.1'}:${request.port}`;
    return read(
      await run(['-x', '-r', '1', '-t', patience, '-S', secret, where, 'auth'], `${lines.join('\n')}\n`),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Answers a challenge: the same login, with its State and what the person types. */
export function answerChallenge(request: Login, challenge: Answer, typed: string): Promise<Answer> {
  if (challenge.code !== 'Access-Challenge' || challenge.state === undefined) {
    throw new Error(`no challenge to answer: ${challenge.code} ${challenge.replyMessage}`);
  }
  return login({ ...request, password: typed, state: challenge.state });
}

/** Text as a value that radclient reads: within single quotes it looks for nothing to expand. */
export function quoted(text: string): string {
  if (text.includes('\n')) {
    throw new Error('radclient takes a request line by line: no text may have a break');
  }
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function run(args: string[], input: string): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn('radclient', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    }
    child.on('error', failed);
    child.on('close', () => done(printed));
    child.stdin.end(input);
  });
}

/** Reads `Received Access-Accept Id 7 from … length 38` and the lines behind it. */
function read(printed: string): Answer {
  const lines = printed.split('\n');
  const start = lines.findIndex((line) => line.startsWith('Received '));
  if (start < 0) {
    if (!/No reply from server|Reply verification failed/.test(printed)) {
      throw new Error(`radclient: ${printed}`);
    }
    return { code: 'none', replyMessage: '', state: undefined, attributes: [] };
  }
  const code = lines[start]?.split(' ')[1] as Answer['code'];
  const attributes: Answer['attributes'] = [];
  for (const line of lines.slice(start + 1)) {
    const found = /^\t(\S+) = (.*)$/.exec(line);
    if (!found) {
      break;
    }
    attributes.push([found[1] ?? '', unquoted(found[2] ?? '')]);
  }
  const all = (wanted: string) => attributes.filter(([name]) => name === wanted).map(([, value]) => value);
  return { code, replyMessage: all('Reply-Message').join('\n'), state: all('State')[0], attributes };
}

function unquoted(value: string): string {
  if (!value.startsWith('"') || !value.endsWith('"')) {
    return value;
  }
  const meant: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  return value.slice(1, -1).replace(/\\(.)/g, (_, character: string) => meant[character] ?? character);
}
