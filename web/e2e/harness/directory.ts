/** OpenLDAP's server with people of a test: `slapd` and `ldapmodify`, of Debian's `slapd` and `ldap-utils`. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.ts';

const BASE = 'dc=example,dc=com';
const ADMIN = { dn: `cn=admin,${BASE}`, password: 'admin-pw' };
/** Not by name: a directory may have two entries of one. */
const dn = (place: number) => `employeeNumber=${place},${BASE}`;

export class Directory {
  /** The group that all are in. */
  static readonly GROUP = `cn=Staff,${BASE}`;

  /** The section of a gateway that asks one at this port. */
  static section(port: number): string {
    return `[ad_client]
host=127.0.0.1
port=${port}
service_account_username=${ADMIN.dn}
service_account_password=${ADMIN.password}
search_dn=${BASE}
username_attribute=uid
at_attribute=mail
auth_type=plain
`;
  }

  private constructor(
    private readonly port: number,
    private readonly people: readonly string[],
    private readonly folder: string,
    private readonly server: ChildProcess,
  ) {}

  /** With these people, each with the password `pw-NAME`. */
  static async start(port: number, people: readonly string[]): Promise<Directory> {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-slapd-'));
    await mkdir(join(folder, 'db'));
    await writeFile(join(folder, 'slapd.conf'), configuration(folder), { mode: 0o600 });
    await writeFile(join(folder, 'people.ldif'), entries(people));
    await promisify(execFile)('/usr/sbin/slapadd', ['-q', '-f', 'slapd.conf', '-l', 'people.ldif'], {
      cwd: folder,
    });
    const url = `ldap://127.0.0.1:${port}`;
    const server = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', '/usr/sbin/slapd', '-d', '0', '-f', 'slapd.conf', '-h', url],
      { cwd: folder, stdio: 'ignore', env: { ...process.env, SASL_PATH: join(folder, 'no-sasl') } },
    );
    await until('slapd listens', () => listens(port));
    return new Directory(port, people, folder, server);
  }

  /** Takes somebody out of the group. */
  async leave(uid: string): Promise<void> {
    await this.#modify(
      `dn: ${Directory.GROUP}\nchangetype: modify\ndelete: member\nmember: ${this.#dn(uid)}\n`,
    );
  }

  /** Says how somebody is called. */
  async call(uid: string, name: string): Promise<void> {
    await this.#modify(`dn: ${this.#dn(uid)}\nchangetype: modify\nreplace: cn\ncn: ${name}\n`);
  }

  #dn(uid: string): string {
    return dn(this.people.indexOf(uid));
  }

  async stop(): Promise<void> {
    const gone = once(this.server, 'exit');
    this.server.kill('SIGKILL');
    await gone;
    await rm(this.folder, { recursive: true });
  }

  async #modify(ldif: string): Promise<void> {
    const url = `ldap://127.0.0.1:${this.port}`;
    const done = promisify(execFile)('ldapmodify', ['-x', '-H', url, '-D', ADMIN.dn, '-w', ADMIN.password]);
    done.child.stdin?.end(ldif);
    await done;
  }
}

function configuration(folder: string): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
database mdb
suffix ${BASE}
rootdn ${ADMIN.dn}
rootpw ${ADMIN.password}
directory ${folder}/db
maxsize 16777216
dbnosync
access to attrs=userPassword by anonymous auth by * none
overlay memberof
memberof-refint TRUE
`;
}

/** `memberOf` is written out, because slapadd does not run the overlay that keeps it. */
function entries(people: readonly string[]): string {
  const person = (uid: string, place: number) => `dn: ${dn(place)}
objectClass: inetOrgPerson
uid: ${uid}
cn: ${uid} Example
sn: Example
mail: ${uid}@corp.example
userPassword: pw-${uid}
memberOf: ${Directory.GROUP}
`;
  return [
    `dn: ${BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n`,
    ...people.map(person),
    `dn: ${Directory.GROUP}\nobjectClass: groupOfNames\ncn: Staff\n${people.map((_, place) => `member: ${dn(place)}\n`).join('')}`,
  ].join('\n');
}

async function listens(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
