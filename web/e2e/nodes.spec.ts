/** Nodes: a real second one joins with what the page shows, is drained, checked, and removed. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { program } from './harness/environment.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { freePort } from './harness/ports.ts';
import { configurationOf, type Sample } from './harness/sample.ts';
import { screenshot, toTop } from './harness/shots.ts';
import { until } from './harness/until.ts';

const NODES = `127.0.0.1:${await freePort()}`;

// On an address of its own, so that the other node has room on this machine.
const configuration = (sample: Sample) =>
  configurationOf(sample).replaceAll('api_host=builtin', 'api_host=builtin\ninterface=127.0.0.1');
test.use({ gatewayOptions: { variant: 'ready', configuration, args: ['--node-listen', NODES] } });

async function axe(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await expectNoSeriousAxe(page);
}

/** Another machine: a folder in which the commands that the page shows are run. */
class Machine {
  #node: ChildProcess | undefined;
  private constructor(
    readonly folder: string,
    readonly environment: Record<string, string>,
  ) {}

  static async make(): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-node-'));
    await symlink(program, join(folder, 'countersign'));
    return new Machine(folder, {
      PATH: `${folder}:${process.env.PATH}`,
      COUNTERSIGN_DATA_DIR: join(folder, 'data'),
      COUNTERSIGN_INTERFACE: '127.0.0.2',
      COUNTERSIGN_GRACE: '1',
    });
  }

  /** Runs a command as it was copied. */
  async run(command: string): Promise<void> {
    await promisify(execFile)('bash', ['-ec', command], { cwd: this.folder, env: this.environment });
  }

  /** Starts what goes on until the machine is switched off. */
  start(command: string): void {
    this.#node = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'bash', '-ec', `exec ${command}`], {
      cwd: this.folder,
      env: this.environment,
      stdio: 'ignore',
    });
  }

  async off(): Promise<void> {
    const node = this.#node;
    if (node && node.exitCode === null) {
      node.kill('SIGTERM');
      await until('the node ended', () => node.exitCode ?? node.signalCode ?? undefined);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

test('a node joins with what the page shows, is drained, and removed', async ({ signedInPage: page }) => {
  test.setTimeout(180_000);
  const machine = await Machine.make();
  try {
    await page.goto('/nodes');
    const local = page.getByRole('region', { name: 'Node local' });
    await expect(local).toContainText('serving');
    await expect(local.getByRole('button', { name: 'Remove local' })).toHaveAttribute(
      'aria-disabled',
      'true',
    );

    await page.getByRole('button', { name: 'Add a node' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Its name').fill('a b');
    await expect(dialog.getByText(/^Letters, digits, dots/)).toBeVisible();
    await dialog.getByLabel('Its name').fill('edge-2');
    await dialog.getByRole('button', { name: 'Create the token' }).click();
    const command = (await dialog.getByLabel('Command to join', { exact: true }).textContent()) ?? '';
    expect(command).toMatch(/^countersign node join https:\/\/127\.0\.0\.1:\d+ --token-file - <</);
    await expect(dialog).toContainText('Another machine does not reach this address');
    await expect(dialog).toContainText('Waiting until edge-2 is connected');
    // Escape would lose the token.
    await page.keyboard.press('Escape');
    await expect(dialog).toBeVisible();
    await machine.run(command);
    machine.start((await dialog.getByLabel('Command to start', { exact: true }).textContent()) ?? '');
    await expect(dialog.getByText('edge-2 has joined')).toBeVisible({ timeout: 30_000 });
    await dialog.getByRole('button', { name: 'Done' }).click();

    const edge = page.getByRole('region', { name: 'Node edge-2' });
    await expect(edge).toContainText('serving');
    // The token that it came with is used, and goes from the list.
    await expect(page.getByRole('table', { name: /^Tokens/ })).toBeHidden({ timeout: 15_000 });
    await axe(page);
    await toTop(page);
    await screenshot(page, 'nodes');

    await edge.getByRole('link', { name: 'edge-2' }).click();
    await expect(page).toHaveURL(/\/nodes\/edge-2$/);
    await expect(page.getByRole('region', { name: 'Where it listens' })).toContainText('127.0.0.2:');
    await expect(page.getByRole('link', { name: 'Its latest logins' })).toHaveAttribute(
      'href',
      '/logins?node=edge-2',
    );
    await page.getByRole('button', { name: 'Check edge-2' }).click();
    const checks = page.getByRole('table', { name: /Checks at edge-2, faults first/ });
    await expect(checks).toBeVisible({ timeout: 60_000 });
    await expect(checks.locator('tbody tr').first()).not.toContainText('good');
    await axe(page);
    await screenshot(page, 'node');
    // What is found and what to do is there on a small screen too.
    const size = page.viewportSize();
    await page.setViewportSize({ width: 360, height: 740 });
    for (const cell of ['Where', 'Found']) {
      const shown = checks.locator(`td[data-label="${cell}"]`).first();
      await shown.scrollIntoViewIfNeeded();
      const box = await shown.boundingBox();
      expect((box?.x ?? 0) + (box?.width ?? 999), cell).toBeLessThanOrEqual(360);
    }
    if (size) await page.setViewportSize(size);

    await page.getByRole('button', { name: 'Drain edge-2' }).click();
    await dialog.getByRole('button', { name: 'Drain edge-2' }).click();
    const status = page.getByRole('region', { name: 'Status' });
    await expect(status).toContainText('drained');
    await page.getByRole('button', { name: 'Undrain edge-2' }).click();
    await dialog.getByRole('button', { name: 'Undrain edge-2' }).click();
    await expect(status).toContainText('serving');

    await page.getByRole('button', { name: 'Remove edge-2' }).click();
    const remove = dialog.getByRole('button', { name: 'Remove edge-2' });
    await expect(remove).toBeDisabled();
    await dialog.getByLabel('Type edge-2 to go on').fill('edge-2');
    await remove.click();
    await expect(page).toHaveURL(/\/nodes$/);
    await expect(edge).toBeHidden();
    await expect(local).toBeVisible();
    await page.goto('/nodes/edge-2');
    await expect(page.getByRole('heading', { name: 'There is no such node' })).toBeVisible();
  } finally {
    await machine.off();
  }
});

test('a token that waits is taken back, by keyboard alone', async ({ signedInPage: page, api }) => {
  await api.client.POST('/api/v1/join-tokens', { body: { node: 'edge-9' } });
  await page.goto('/nodes');
  const table = page.getByRole('table', { name: 'Tokens that wait to be used' });
  await expect(table).toContainText('edge-9');
  await tabTo(page, 'button', /^Take back the token/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toContainText('Take back the token for edge-9?');
  await tabTo(page, 'button', 'Take it back');
  await page.keyboard.press('Enter');
  await expect(table).toBeHidden();
});

test('a viewer sees nodes, and is offered nothing that is refused', async ({ page, context, api }) => {
  const viewer = await api.signIn(await api.createAdmin('vera', { role: 'viewer' }));
  await signInBrowser(context, viewer);
  await page.goto('/nodes');
  await expect(page.getByRole('region', { name: 'Node local' })).toBeVisible();
  await expect(page.getByText('An operator can run the checks.')).toBeVisible();
  for (const name of ['Add a node', 'Drain local', 'Remove local', 'Check all nodes']) {
    await expect(page.getByRole('button', { name })).toBeHidden();
  }
});
