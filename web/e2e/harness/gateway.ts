/** A real gateway in a folder of its own, on ports of its own. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, type Credentials } from './api.ts';
import { program } from './environment.ts';
import { freePort } from './ports.ts';
import { configurationOf, makeSample, makeUsers, type Sample } from './sample.ts';
import { until } from './until.ts';

/**
 * How a gateway begins. `fresh`: no configuration, nobody may use it yet. `ready`: an administrator,
 * the sample's configuration in the database, its users. `file`: the same with the configuration in
 * a file, which is the truth then.
 */
export type Variant = 'fresh' | 'ready' | 'file';

export interface Start {
  variant: Variant;
  /** The configuration in place of the sample's. With one of these no sample users are made. */
  configuration?: (sample: Sample) => string;
  /** Further arguments of `countersign run`. */
  args?: string[];
  /** Further environment of it, such as another clock. */
  env?: Record<string, string>;
}

/** The administrator of every gateway but a `fresh` one. */
const ADMINISTRATOR = 'nora';

/** How long it may take to begin and to end, in milliseconds. */
const START = 30_000;

/** Where its own log is cut, in characters; the end is kept. */
const LOG = 512 * 1024;

export class Gateway {
  /** Its address for browsers, without a slash at the end. */
  readonly adminUrl: string;
  /** The configuration file; it is there in the variant `file` alone. */
  readonly configurationFile: string;
  /** The link that the first start shows; empty once somebody may use the API. */
  setupLink = '';
  /** The administrator; none of a `fresh` one. */
  administrator: Credentials | undefined;
  /** The API: as the administrator's session, or as nobody where there is none. */
  api: Api;
  #child: ChildProcess | undefined;
  #args: string[] = [];
  #env: Record<string, string> = {};
  #log = '';

  private constructor(
    readonly variant: Variant,
    readonly folder: string,
    readonly sample: Sample,
    private readonly ports: { admin: number; secondFactor: number },
  ) {
    this.adminUrl = `http://127.0.0.1:${ports.admin}`;
    this.configurationFile = join(folder, 'authproxy.cfg');
    this.api = new Api(this.adminUrl);
  }

  /** Starts one; it is as its variant says when this returns. */
  static async start({ variant, configuration, args = [], env = {} }: Start): Promise<Gateway> {
    const sample = await makeSample();
    const ports = { admin: await freePort(), secondFactor: await freePort() };
    const folder = mkdtempSync(join(tmpdir(), 'countersign-e2e-'));
    const gateway = new Gateway(variant, folder, sample, ports);
    try {
      const text = (configuration ?? configurationOf)(sample);
      if (variant === 'file') {
        await writeFile(gateway.configurationFile, text, { mode: 0o600 });
      }
      await gateway.#run(args, env);
      if (variant !== 'fresh') {
        await gateway.#settle(text, configuration === undefined);
      }
      return gateway;
    } catch (error) {
      await gateway.kill();
      throw new Error(`the gateway did not start:\n${gateway.logText()}`, { cause: error });
    }
  }

  /** What it printed so far, standard output and errors. */
  logText(): string {
    return this.#log;
  }

  /** Its processes that live now, in order. */
  processes(): number[] {
    const group = this.#child?.pid;
    return group === undefined ? [] : members(group);
  }

  /** Its process of this part, such as `controlplane`; nothing while there is none. */
  processOf(part: string): number | undefined {
    return this.processes().find((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1] === part;
      } catch {
        return false;
      }
    });
  }

  /** Asks it to stop, waits for that, and deletes its folder. What is left of it then is killed. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await until('the gateway stopped', () => child.exitCode ?? child.signalCode ?? undefined, START).catch(
        () => {},
      );
    }
    await this.kill();
  }

  /** Stops it, and starts it again in the same folder, at the same addresses. */
  async restart(): Promise<void> {
    await this.suspend();
    await this.resume();
  }

  /** Stops it: what it keeps stays for {@link resume}. */
  async suspend(): Promise<void> {
    const group = this.#child?.pid;
    this.#child?.kill('SIGTERM');
    if (group !== undefined) {
      await until('the gateway stopped', () => members(group).length === 0 || undefined, START);
      running.delete(group);
    }
  }

  /** Starts it again, in the same folder, at the same addresses; with another environment, if one is given. */
  async resume(env = this.#env): Promise<void> {
    await this.#run(this.#args, env);
    await this.#wait('it is ready', async () => {
      const answer = await fetch(`${this.adminUrl}/readyz`);
      await answer.text();
      return answer.ok || undefined;
    });
  }

  /** Ends all its processes at once, and deletes its folder. */
  async kill(): Promise<void> {
    const group = this.#child?.pid;
    if (group !== undefined) {
      killGroup(group);
      running.delete(group);
      await until(
        'all processes of the gateway ended',
        () => members(group).length === 0 || undefined,
        START,
      );
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  async #run(args: string[], env: Record<string, string>): Promise<void> {
    this.#args = args;
    this.#env = env;
    const settings = Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_'));
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'TERM', '--', program, 'run', '--grace', '1'],
        ...['--data-dir', join(this.folder, 'data')],
        ...['--admin-listen', `127.0.0.1:${this.ports.admin}`],
        ...['--second-factor-listen', `127.0.0.1:${this.ports.secondFactor}`],
        ...(this.variant === 'file' ? ['--config', this.configurationFile] : []),
        ...args,
      ],
      {
        // A group of its own, by which its children are found too.
        detached: true,
        cwd: this.folder,
        env: { ...Object.fromEntries(settings), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    if (child.pid !== undefined) {
      running.set(child.pid, this.folder);
    }
    child.on('error', (error) => this.#print(`${error}\n`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#print(text));
    }
    await this.#wait('it answers', async () => {
      const answer = await fetch(`${this.adminUrl}/readyz`);
      await answer.text();
      // Without a configuration it serves its API alone, and is not ready.
      return answer.ok || this.variant !== 'file' || undefined;
    });
    // One that was set up before shows none.
    if (this.administrator === undefined) {
      this.setupLink = await this.#wait(
        'it shows the set-up link',
        () => /http:\S+\/setup#cst_[0-9a-f]+_[0-9a-f]+(?=\s)/.exec(this.#log)?.[0],
      );
    }
    await this.#wait('its API answers', async () => {
      const answer = await fetch(`${this.adminUrl}/api/openapi.json`);
      await answer.arrayBuffer();
      return answer.ok || undefined;
    });
  }

  /** Makes the administrator, and brings in configuration and users. */
  async #settle(text: string, sample: boolean): Promise<void> {
    this.administrator = await this.api.createAdmin(ADMINISTRATOR, { setupLink: this.setupLink });
    this.api = await this.api.signIn(this.administrator);
    this.setupLink = '';
    if (this.variant !== 'file') {
      await this.api.importConfig(text, 'first configuration');
    }
    await this.#wait('it is ready', async () => {
      const answer = await fetch(`${this.adminUrl}/readyz`);
      await answer.text();
      return answer.ok || undefined;
    });
    if (sample) {
      await makeUsers(this.api, this.sample);
    }
  }

  #wait<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
    const child = this.#child;
    let ended: Error | undefined;
    const watched = until(
      what,
      async () => {
        if (child && (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)) {
          ended = new Error(`the gateway ended (${child.exitCode ?? child.signalCode}) before: ${what}`);
          return ended;
        }
        return look();
      },
      START,
    );
    return watched.then((found) => {
      if (ended) {
        throw ended;
      }
      return found as T;
    });
  }

  #print(text: string): void {
    this.#log = `${this.#log}${text}`.slice(-LOG);
  }
}

/** The groups that were started and not stopped, with their folders. */
const running = new Map<number, string>();

process.on('exit', () => {
  for (const [group, folder] of running) {
    killGroup(group);
    rmSync(folder, { recursive: true, force: true });
  }
});

function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // None of it is left.
  }
}

/** The processes of a group, but those that ended and wait for their parent. */
function members(group: number): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((pid) => {
    try {
      // PID (NAME) STATE PARENT GROUP …; the name may hold anything.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , of] = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
      return of === String(group) && state !== 'Z' && state !== 'X';
    } catch {
      return false;
    }
  });
}
