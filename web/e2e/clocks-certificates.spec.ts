/** Clocks that are wrong, and certificates that are about to end: where it is seen, and what it leads to. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { ahead } from './harness/clock.ts';
import { program } from './harness/environment.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { Machine } from './harness/machine.ts';
import { freePort } from './harness/ports.ts';
import { login } from './harness/radius.ts';
import { configurationOf, type Sample } from './harness/sample.ts';
import { expectNoSidewaysScroll } from './harness/shots.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

const NODES = `127.0.0.1:${await freePort()}`;

// On an address of its own, so that the other node has room on this machine.
const onLoopback = (sample: Sample) =>
  configurationOf(sample).replaceAll('api_host=builtin', 'api_host=builtin\ninterface=127.0.0.1');

test.describe('clocks', () => {
  test.use({
    gatewayOptions: {
      variant: 'ready',
      per: 'test',
      configuration: onLoopback,
      args: ['--node-listen', NODES],
    },
  });

  test('a gateway whose clock is off says so on the overview, until it is right', async ({
    signedInPage: page,
    gateway,
  }) => {
    test.setTimeout(180_000);
    await gateway.suspend();
    await gateway.resume(ahead(5 * MINUTE));
    await page.goto('/');
    const status = page.getByRole('region', { name: 'Status' });
    await expect(status).toContainText(
      /The gateway's clock is (5 min|4 min \d+ s|5 min \d+ s) ahead of this machine's\. One of them is wrong/,
    );
    await expect(status.getByRole('img', { name: 'Warning' })).toHaveCount(1);
    await expectNoSeriousAxe(page);
    await page.setViewportSize({ width: 360, height: 800 });
    await expectNoSidewaysScroll(page);
    await gateway.suspend();
    await gateway.resume(ahead(-5 * MINUTE));
    await page.reload();
    await expect(status).toContainText(/The gateway's clock is .* behind this machine's/);
    await gateway.suspend();
    await gateway.resume({});
    await page.reload();
    await expect(status).toContainText(/All is well|need/);
    await expect(status).not.toContainText('clock');
  });

  test('a node whose clock is off is found by its checks, and its logins are told all the same', async ({
    signedInPage: page,
    api,
    sample,
  }) => {
    test.setTimeout(180_000);
    const machine = await Machine.join(api, 'edge-2', '127.0.0.2', NODES);
    try {
      await machine.on(api, ahead(10 * MINUTE));
      await page.goto('/nodes/edge-2');
      await expect(page.getByRole('region', { name: 'Status' })).toContainText('serving');
      // By the control plane's clock, not by its own.
      await expect(page.getByText('Last heard of').locator('..')).toContainText(/just now|s ago/);
      await page.getByRole('button', { name: 'Check edge-2' }).click();
      const checks = page.getByRole('table', { name: /Checks at edge-2, faults first/ });
      const clock = checks
        .getByRole('row')
        .filter({ has: page.getByRole('cell', { name: 'clock', exact: true }) });
      await expect(clock.first()).toContainText(/(599|600|601|602) s ahead of the service's/, {
        timeout: 60_000,
      });
      await expect(clock.first()).toContainText('warning');
      await expect(clock.first()).toContainText('NTP');
      await expectNoSeriousAxe(page);

      // A login there is dated by its clock: it is in the list, and can be opened.
      await page.goto('/logins');
      const request = { host: '127.0.0.2', port: sample.ports.auto, secret: sample.secret, user: 'ahead' };
      const answer = await login(request);
      expect(answer.code).toBe('Access-Reject');
      const row = page.getByTestId('rows').getByRole('row').filter({ hasText: 'ahead' });
      await expect(row).toHaveCount(1);
      await expect(row).toContainText('edge-2');
      await login({ ...request, host: '127.0.0.1', user: 'right' });
      await expect(page.getByTestId('rows').getByRole('row')).toHaveCount(2);
      await page.reload();
      await expect(row).toHaveCount(1);
      await expect(page.getByTestId('rows').getByRole('row')).toHaveCount(2);
      await row.getByRole('link').first().click();
      await expect(page.getByRole('dialog')).toContainText('ahead');
    } finally {
      await machine.remove();
    }
  });

  test('a node that is away is named before its certificate ends, and renews it when it is back', async ({
    page,
    context,
    api,
    gateway,
  }) => {
    test.setTimeout(240_000);
    const machine = await Machine.join(api, 'edge-2', '127.0.0.2', NODES);
    try {
      await machine.on(api);
      await machine.off();
      // Sixty-five of ninety days later, here and at whoever looks. The browser's clock alone is made up.
      const later = 65 * DAY;
      await gateway.suspend();
      await gateway.resume(ahead(later));
      await page.clock.install({ time: Date.now() + later });
      const administrator = gateway.administrator;
      if (!administrator) throw new Error('nobody may sign in');
      const then = await api.as('nobody').signIn(administrator, later);
      await signInBrowser(context, then);
      await page.goto('/');
      const status = page.getByRole('region', { name: 'Status' });
      await expect(status).toContainText(/The certificate of node edge-2 ends in 2[45] d/);
      await expect(status).toContainText('Node edge-2 is away');
      await expect(status).not.toContainText('clock');
      const card = page.getByRole('region', { name: 'Certificates' });
      await expect(card).toContainText('1 certificate ends soon');
      await expect(card.getByRole('listitem').filter({ hasText: 'edge-2' })).toContainText('ends soon');
      await expectNoSeriousAxe(page);
      await status.getByRole('link', { name: /The certificate of node edge-2/ }).click();
      await expect(page).toHaveURL(/\/nodes\/edge-2$/);
      const until = page.getByText('Certificate until').locator('..');
      await expect(until).toContainText(/in 2[45] d/);
      await page.goto('/nodes');
      await expect(page.getByRole('region', { name: 'Node edge-2' })).toContainText(/in 2[45] d/);

      await machine.on(then, ahead(later));
      await page.goto('/nodes/edge-2');
      await expect(until).toContainText(/in (89|90) d/, { timeout: 60_000 });
      await page.goto('/');
      await expect(card).toContainText('none ends soon');
      await expect(status).not.toContainText('certificate');
    } finally {
      await machine.remove();
    }
  });
});

test.describe('the certificate of EAP', () => {
  let folder = '';
  const make = (where: string, days: number) => {
    mkdirSync(join(folder, where));
    execFileSync(program, [
      ...['cert', 'radius.example.com', '--dir', join(folder, where)],
      ...['--days', String(days)],
    ]);
  };
  // They are there before the gateway is, which reads them.
  const configuration = ({ ports, secret, deadPort }: Sample) => {
    folder = mkdtempSync(join(tmpdir(), 'countersign-e2e-certificate-'));
    make('served', 5);
    make('renewed', 365);
    return `[radius_client]
host=127.0.0.1
port=${deadPort}
secret=upstream-Secret-1

[radius_server_eap]
api_host=builtin
client=radius_client
failmode=secure
port=${ports.auto}
radius_ip_1=127.0.0.0/8
radius_secret_1=${secret}
certs=${join(folder, 'served/radius.pem')}
pkey=${join(folder, 'served/radius.key')}
`;
  };
  test.use({ gatewayOptions: { variant: 'file', per: 'test', configuration } });
  test.afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('its end is an alarm that leads to the integration, until a new one is in its place', async ({
    signedInPage: page,
  }) => {
    test.setTimeout(180_000);
    await page.goto('/');
    const status = page.getByRole('region', { name: 'Status' });
    const finding = /The EAP certificate of radius_server_eap at local ends in 4 d \d+ h/;
    await expect(status).toContainText(finding);
    await expect(status.getByRole('img', { name: 'Alarm' })).toHaveCount(1);
    const card = page.getByRole('region', { name: 'Certificates' });
    await expect(card).toContainText('1 certificate ends soon');
    await page.goto('/nodes/local');
    const table = page.getByRole('region', { name: 'EAP certificates' });
    await expect(table).toContainText(/radius_server_eap.*in 4 d \d+ h/);
    await expectNoSeriousAxe(page);
    await page.goto('/');
    await status.getByRole('link', { name: finding }).click();
    await expect(page).toHaveURL(/\/integrations\/radius_server_eap$/);
    await page.goto('/');
    await expect(status).toContainText(finding);

    // The page that is open finds by itself that it is renewed.
    cpSync(join(folder, 'renewed'), join(folder, 'served'), { recursive: true });
    await expect(card).toContainText('none ends soon', { timeout: 60_000 });
    await expect(status).not.toContainText('certificate');
    await page.goto('/nodes/local');
    await expect(table).toContainText(/radius_server_eap.*in (364|365) d/);
  });
});
