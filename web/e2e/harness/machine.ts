/** Another machine: a folder in which a node is joined and run, with an address and a clock of its own. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Api, good, type Schemas } from './api.ts';
import { program } from './environment.ts';
import { until } from './until.ts';

export class Machine {
  #node: ChildProcess | undefined;

  private constructor(
    readonly name: string,
    readonly address: string,
    readonly folder: string,
  ) {}

  /** Joins the control plane, which listens for nodes at `at`: the token comes from the API. */
  static async join(api: Api, name: string, address: string, at: string): Promise<Machine> {
    const machine = new Machine(name, address, await mkdtemp(join(tmpdir(), 'countersign-node-')));
    const made = await good(api.client.POST('/api/v1/join-tokens', { body: { node: name } }));
    const { token } = made as Schemas['JoinTokenMade'];
    const joined = promisify(execFile)(
      program,
      ['node', 'join', `https://${at}`, '--name', name, '--token-file', '-'],
      { env: machine.#environment({}) },
    );
    joined.child.stdin?.end(`${token}\n`);
    await joined;
    return machine;
  }

  /** Switches it on, and waits until it serves. `env`: another clock, say. */
  async on(api: Api, env: Record<string, string> = {}): Promise<void> {
    this.#node = spawn('setpriv', ['--pdeathsig', 'TERM', '--', program, 'dataplane'], {
      cwd: this.folder,
      env: this.#environment(env),
      stdio: 'ignore',
    });
    await until(
      `${this.name} serves`,
      async () => {
        const { items } = await good(api.client.GET('/api/v1/nodes'));
        const node = items.find((one) => one.node === this.name);
        return (node?.connected && node.applied) || undefined;
      },
      30_000,
    );
  }

  /** Switches it off: what it keeps stays. */
  async off(): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    if (node && node.exitCode === null && node.signalCode === null) {
      node.kill('SIGTERM');
      await until('the node ended', () => node.exitCode ?? node.signalCode ?? undefined);
    }
  }

  /** Switches it off, and deletes its folder. */
  async remove(): Promise<void> {
    await this.off();
    await rm(this.folder, { recursive: true, force: true });
  }

  #environment(env: Record<string, string>): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      COUNTERSIGN_DATA_DIR: join(this.folder, 'data'),
      COUNTERSIGN_INTERFACE: this.address,
      COUNTERSIGN_GRACE: '1',
      ...env,
    };
  }
}
