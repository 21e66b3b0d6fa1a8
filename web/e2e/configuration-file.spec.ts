/** A configuration that is a file: nothing is changed but there, and what a node refused of it is told. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabToElement } from './harness/keyboard.ts';
import { freePort } from './harness/ports.ts';
import { login } from './harness/radius.ts';
import { expectNoSidewaysScroll } from './harness/shots.ts';
import { until } from './harness/until.ts';

test.use({ gatewayOptions: { variant: 'file', per: 'test' } });

async function axe(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await expectNoSeriousAxe(page);
}

const banner = (page: Page) => page.getByRole('alert').filter({ hasText: 'The configuration is a file' });

test('forms show what the file says, change nothing, and lead to it', async ({
  signedInPage: page,
  gateway,
  sample,
  api,
}) => {
  test.setTimeout(180_000);
  const file = gateway.configurationFile;
  for (const [path, heading] of [
    ['/integrations/radius_server_auto', 'radius_server_auto'],
    ['/authenticators/radius_client', 'radius_client'],
    ['/settings', 'Settings'],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible();
    await expect(banner(page)).toContainText(`It is in ${file}`);
    const form = page.locator('form');
    await expect(form.getByRole('group').first()).toBeVisible();
    // All is text: nothing looks as if it could be typed or chosen.
    const open = form.locator('input, textarea, select').filter({ visible: true });
    const taken = await open.evaluateAll((fields) => fields.map((field) => field.outerHTML.slice(0, 200)));
    expect(taken, path).toEqual([]);
    for (const deed of [/^Review/, /^Delete/, /^Remove/, /^Duplicate/, /^Add/]) {
      await expect(page.getByRole('button', { name: deed }), `${path} ${deed}`).toHaveCount(0);
    }
    await expectNoSeriousAxe(page);
  }
  for (const path of ['/integrations', '/authenticators']) {
    await page.goto(path);
    await expect(banner(page)).toContainText(file);
    await expect(page.getByRole('main').getByRole('link', { name: /^(New|Add)/ })).toHaveCount(0);
    await expect(page.getByRole('main').getByRole('button', { name: /^(New|Add)/ })).toHaveCount(0);
  }
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1440, height: 900 });

  // What they are spared is refused, whoever asks.
  const write = api.client.DELETE('/api/v1/integrations/{id}', {
    params: { path: { id: 'radius_server_auto' }, query: {} },
  });
  await expect(good(write)).rejects.toThrow(/^409 .*file-is-truth/);

  await tabToElement(page, banner(page).getByRole('link', { name: 'Open it as text' }));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/configuration$/);
  await expect(page.getByRole('textbox', { name: /configuration/i })).toContainText(
    `port=${sample.ports.auto}`,
  );

  // An editor on that machine changes it: the form follows, and still cannot be changed.
  const before = readFileSync(file, 'utf8');
  const deadPort = await freePort();
  writeFileSync(file, before.replace(`port=${sample.deadPort}`, `port=${deadPort}`));
  await api.waitForRevisionApplied(2);
  await page.goto('/authenticators/radius_client');
  await expect(page.getByRole('group', { name: 'Servers' })).toContainText(String(deadPort));
  await expect(banner(page)).toBeVisible();
});

test('a revision that a node refused is told with the reason, until the file is mended', async ({
  signedInPage: page,
  gateway,
  sample,
  api,
}) => {
  test.setTimeout(180_000);
  const file = gateway.configurationFile;
  const before = readFileSync(file, 'utf8');
  const taken = await freePort();
  const holder = createSocket('udp4').bind({ port: taken, address: '0.0.0.0', exclusive: true });
  await once(holder, 'listening');
  try {
    writeFileSync(file, before.replace(`port=${sample.ports.auto}\n`, `port=${taken}\n`));
    await until('the node refused it', async () => {
      const { items } = await good(api.client.GET('/api/v1/nodes'));
      return items.find((node) => node.refused?.revision === 2);
    });
    // What it had serves on.
    const alice = { port: sample.ports.auto, secret: sample.secret, user: 'alice' };
    expect((await login(alice)).code).toBe('Access-Accept');

    await page.goto('/revisions');
    const row = (number: number) =>
      page.getByRole('row').filter({ has: page.getByRole('link', { name: `Revision ${number}` }) });
    await expect(row(2)).toContainText('refused by local');
    await expect(row(2)).not.toContainText('served');
    await axe(page);
    await row(2).getByRole('link').first().click();
    await expect(page).toHaveURL(/\/revisions\/2$/);
    const said = page.getByRole('region', { name: 'What the nodes said' });
    await expect(said.getByRole('row').filter({ hasText: 'local' })).toContainText('refused');
    const refusal = said.getByRole('alert').filter({ hasText: 'local refused it' });
    await expect(refusal).toContainText(String(taken));
    await expect(refusal).toContainText(/in use|taken/i);
    await expect(page.getByText('served', { exact: true })).toHaveCount(0);
    await axe(page);
    await page.setViewportSize({ width: 360, height: 800 });
    await expectNoSidewaysScroll(page);
    await page.setViewportSize({ width: 1440, height: 900 });

    await page.goto('/nodes');
    const local = page.getByRole('region', { name: 'Node local' });
    await expect(local).toContainText('local refused revision 2, and serves revision 1');
    await expect(local).toContainText(String(taken));
    await page.goto('/');
    const finding = page.getByRole('link', {
      name: /Node local refused revision 2, and serves revision 1\./,
    });
    await finding.click();
    await expect(page).toHaveURL(/\/nodes\/local$/);
    await expect(page.getByText('local refused revision 2, and serves revision 1')).toBeVisible();

    // Mended on the disk; the page that is open says so by itself.
    writeFileSync(file, before.replace('failmode=secure', 'failmode=safe'));
    await api.waitForRevisionApplied(3);
    await expect(page.getByText('local refused revision 2, and serves revision 1')).toBeHidden();
    await page.goto('/revisions');
    await expect(row(3)).toContainText('served');
    await expect(page.getByText('refused by local')).toHaveCount(0);
    await row(2).getByRole('link').first().click();
    await expect(refusal, 'what was said of it stays').toContainText(String(taken));
  } finally {
    holder.close();
  }
});
