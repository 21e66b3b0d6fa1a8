/** What is asked of whom: policies that are made on the page hold at a real login. */

import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

const phone = {
  kind: 'phone' as const,
  name: '',
  number: '+1 555 010 0177',
  capabilities: { push: true, phone: false, sms: false },
};

test('a policy of a group is made, holds at a login, and is removed', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({ name: 'greta', groups: ['Guests'], devices: [phone] });
  const greta = { port: sample.ports.auto, secret: sample.secret, user: 'greta' };

  await page.goto('/second-factor?tab=policy');
  await expect(page.getByText('Nothing yet: what is built in holds.')).toBeVisible();
  await expectFit(page);
  await page.getByRole('button', { name: 'Add a policy' }).click();
  const form = page.getByRole('dialog', { name: 'Add a policy' });
  await form.getByRole('button', { name: 'Save the policy' }).click();
  await expect(form.getByText('Name the group.')).toBeVisible();
  await form.getByLabel('Group', { exact: true }).fill('Guests');
  await form.getByLabel('Rank').fill('5');
  await expect(form.getByText('else as for everybody: never.')).toBeVisible();

  // What cannot be is said by the field itself, before anything is sent and after.
  await form.getByRole('switch', { name: 'Set here: Remember an approval for' }).check({ force: true });
  await form.getByRole('textbox', { name: 'Remember an approval for' }).fill('721');
  await form.getByRole('switch', { name: 'Set here: Networks without' }).check({ force: true });
  await form.getByRole('textbox', { name: 'Networks without' }).fill('somewhere');
  await form.getByRole('button', { name: 'Save the policy' }).click();
  await expect(form.getByText('A whole number from 0 to 720.')).toBeVisible();
  await form.getByRole('textbox', { name: 'Remember an approval for' }).fill('8');
  await form.getByRole('button', { name: 'Save the policy' }).click();
  await expect(form.getByRole('alert')).toContainText('somewhere');
  await expectFit(page);
  await screenshot(page, 'second-factor-policy-form');
  await form.getByRole('switch', { name: 'Set here: Networks without' }).uncheck({ force: true });

  await form.getByRole('switch', { name: 'Set here: What may be used' }).check({ force: true });
  await form.getByRole('checkbox', { name: 'push' }).uncheck();
  await form.getByRole('button', { name: 'Save the policy' }).click();
  await expect(form).toBeHidden();
  const row = page.getByRole('row', { name: /^Guests/ });
  await expect(row).toContainText('group, rank 5');
  await expect(row).toContainText('8 hours');
  expect((await login(greta)).code).toBe('Access-Reject');

  // What holds for one user, and who says so.
  const holds = page.getByRole('region', { name: 'What holds for a user' });
  await holds.getByLabel('User').fill('greta');
  await holds.getByRole('button', { name: 'Show' }).click();
  await expect(holds.getByRole('row', { name: /What may be used/ })).toContainText('policy of group Guests');
  await expect(holds.getByRole('row', { name: /A number must be typed/ })).toContainText('built in');
  await expectFit(page);
  await screenshot(page, 'second-factor-policy');

  await page.getByRole('button', { name: 'Change the policy of everybody' }).click();
  const everybody = page.getByRole('dialog', { name: 'Policy of everybody' });
  await expect(everybody.getByText('Built in: never.')).toBeVisible();
  await everybody.getByRole('switch', { name: 'Set here: A number must be typed' }).check({ force: true });
  await everybody.getByRole('button', { name: 'Save the policy' }).click();
  await expect(page.getByRole('row', { name: /Everybody/ })).toContainText('always');
  await page.getByRole('button', { name: 'Set back the policy of everybody' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Set it back' }).click();
  await expect(page.getByText('Nothing yet: what is built in holds.')).toBeVisible();

  await page.getByRole('button', { name: 'Remove the policy of group Guests' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove the policy' }).click();
  await expect(row).toBeHidden();
  const { items } = await good(api.client.GET('/api/v1/second-factor/policies'));
  expect(items.filter(({ scope }) => scope === 'group')).toEqual([]);
  const approved = login(greta);
  const { txid } = await api.waitForApproval('greta');
  const path = { txid };
  await good(api.client.POST('/api/v1/second-factor/approvals/{txid}/approve', { params: { path } }));
  expect((await approved).code).toBe('Access-Accept');
});

test('an operator reads policies and changes none', async ({ api, context, page }) => {
  const credentials = await api.createAdmin('olga', { role: 'operator' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor?tab=policy');
  await expect(page.getByText('Policies are changed by administrators.')).toBeVisible();
  await expect(
    page.getByRole('button', { name: /Add a policy|Change the policy|Set back|Remove/ }),
  ).toHaveCount(0);
});
