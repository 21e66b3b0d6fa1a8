/** Applications for clients that are no integration: made, used by a signed request, and deleted. */

import { createHmac } from 'node:crypto';
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

interface Keys {
  ikey: string;
  skey: string;
  host: string;
  ca: string;
}

/** What the service says to a client that checks its keys, and trusts that authority alone. */
async function check({ ikey, skey, host, ca }: Keys): Promise<unknown> {
  const date = new Date().toUTCString().replace('GMT', '-0000');
  const path = '/auth/v2/check';
  const signed = createHmac('sha512', skey).update(`${date}\nGET\n${host}\n${path}\n`).digest('hex');
  const headers = { date, authorization: `Basic ${Buffer.from(`${ikey}:${signed}`).toString('base64')}` };
  return new Promise((resolve, reject) => {
    const asked = request(`https://${host}${path}`, { ca, headers }, (response) => resolve(json(response)));
    asked.on('error', reject);
    asked.end();
  });
}

test('an application is made, its keys are good, and are not when it is deleted', async ({
  api,
  signedInPage: page,
}) => {
  await page.goto('/second-factor?tab=applications');
  const own = page.getByRole('row', { name: /radius_server_auto\b/ }).first();
  await expect(own).toContainText('must enrol first');
  // What an integration uses stays.
  await expect(page.getByRole('button', { name: 'Change radius_server_auto', exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: /^Delete/ })).toHaveCount(0);

  await page.getByRole('button', { name: 'Add an application' }).click();
  const add = page.getByRole('dialog', { name: 'Add an application' });
  await expect(add.getByRole('button', { name: 'Add the application' })).toBeDisabled();
  await add.getByLabel('Name', { exact: true }).fill('radius_server_auto');
  await add.getByRole('button', { name: 'Add the application' }).click();
  await expect(add.getByRole('alert')).toBeVisible();
  await expectFit(page);
  await add.getByLabel('Name', { exact: true }).fill('shells');
  await add.getByLabel('Users without a device').click();
  await page.getByRole('option', { name: 'are refused' }).click();
  await add.getByRole('button', { name: 'Add the application' }).click();
  const once = page.getByRole('dialog', { name: 'Keys of shells, shown once' });
  const text = (await once.getByLabel('Keys and host', { exact: true }).textContent()) ?? '';
  await page.keyboard.press('Escape');
  await expect(once).toBeVisible();
  await expectFit(page);
  const said = (name: string) => new RegExp(`^${name} = (.+)$`, 'm').exec(text)?.[1] ?? '';
  const keys = {
    ikey: said('ikey'),
    skey: said('skey'),
    host: said('host'),
    ca: (await once.getByLabel('Certificate to trust', { exact: true }).textContent()) ?? '',
  };
  await once.getByRole('button', { name: 'I have them' }).click();
  await expect(once).toBeHidden();
  await expect(page.locator('body')).not.toContainText(keys.skey);
  expect(await check(keys)).toMatchObject({ stat: 'OK' });
  expect(await check({ ...keys, skey: keys.ikey })).toMatchObject({ stat: 'FAIL' });
  await expect(page.getByRole('row', { name: /shells/ })).toContainText('are refused');
  await expectFit(page);
  await screenshot(page, 'second-factor-applications');

  await page.getByRole('button', { name: 'Change shells' }).click();
  const change = page.getByRole('dialog', { name: 'shells' });
  await change.getByLabel('Names', { exact: true }).click();
  await page.getByRole('option', { name: 'as they are' }).click();
  await change.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('row', { name: /shells/ })).toContainText('as they are');
  const { items } = await good(api.client.GET('/api/v1/second-factor/applications'));
  expect(items.find(({ name }) => name === 'shells')).toMatchObject({
    new_user_policy: 'deny',
    username_normalization: 'none',
  });

  await page.getByRole('button', { name: 'Delete shells' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete shells' }).click();
  await expect(page.getByText('shells is deleted.')).toBeVisible();
  await expect(page.getByRole('row', { name: /shells/ })).toHaveCount(0);
  expect(await check(keys)).toMatchObject({ stat: 'FAIL' });
});

test('an operator sees applications, and changes none', async ({ api, context, page }) => {
  const credentials = await api.createAdmin('olga', { role: 'operator' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor?tab=applications');
  await expect(page.getByText('Applications are added and changed by administrators.')).toBeVisible();
  await expect(page.getByRole('row', { name: /radius_server_auto\b/ }).first()).toBeVisible();
  await expect(page.getByRole('tabpanel').getByRole('button')).toHaveCount(0);
});
