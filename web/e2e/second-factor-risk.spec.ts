/** Incidents and remembered approvals: made by real logins, seen and revoked on the page. */

import type { Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
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
const from = (address: string): [string, string][] => [['Calling-Station-Id', `'${address}'`]];

async function remember(api: Api, remember_hours: number): Promise<void> {
  await good(
    api.client.PUT('/api/v1/second-factor/policies/default', { body: { policy: { remember_hours } } }),
  );
}

test('a reported fraud and a lock-out are listed, and narrowed in the address', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await page.goto('/second-factor?tab=risk');
  await expect(page.getByText('No incidents')).toBeVisible();
  await expectFit(page);

  await api.createUser({
    name: 'hugo',
    devices: [phone],
    script: { answer: 'fraud', after_ms: 0 },
  });
  await api.createUser({ name: 'ines', devices: [{ kind: 'totp', name: '' }] });
  const at = { port: sample.ports.auto, secret: sample.secret };
  await login({ ...at, user: 'hugo', attributes: from('203.0.113.9') });
  for (let wrong = 0; wrong < 10; wrong += 1) {
    await login({ ...at, user: 'ines', password: 'anything,00000' });
  }
  const fraud = page.getByRole('row', { name: /hugo/ });
  await expect(fraud).toContainText('fraud');
  await expect(fraud).toContainText('203.0.113.9');
  await expect(page.getByRole('row', { name: /ines/ })).toContainText('locked out');
  await expectFit(page);
  await screenshot(page, 'second-factor-risk');

  await page.getByLabel('User', { exact: true }).fill('HUGO');
  await expect(page).toHaveURL(/user=HUGO/);
  await expect(page.getByRole('row', { name: /ines/ })).toBeHidden();
  await expect(fraud).toBeVisible();
  await page.goto('/second-factor?tab=risk&kind=replay');
  await expect(page.getByText('No incident matches')).toBeVisible();
});

test('a remembered approval is revoked, and the next login is asked again', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await remember(api, 12);
  await api.createUser({ name: 'jana', devices: [phone], script: { answer: 'approve', after_ms: 0 } });
  const jana = {
    port: sample.ports.auto,
    secret: sample.secret,
    user: 'jana',
    attributes: from('203.0.113.30'),
  };
  expect((await login(jana)).code).toBe('Access-Accept');
  await good(
    api.client.PATCH('/api/v1/second-factor/users/{name}', {
      params: { path: { name: 'jana' } },
      body: { script: { set: { answer: 'deny', after_ms: 0 } } },
    }),
  );
  expect((await login(jana)).code).toBe('Access-Accept');

  await page.goto('/second-factor?tab=risk');
  const row = page.getByRole('row', { name: /jana/ });
  await expect(row).toContainText('203.0.113.30');
  await expectFit(page);
  await screenshot(page, 'second-factor-remembered');
  await page.getByRole('button', { name: 'Revoke the approval of jana from 203.0.113.30' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke it' }).click();
  await expect(page.getByText('The approval of jana is revoked.')).toBeVisible();
  await expect(row).toBeHidden();
  expect((await login(jana)).code).toBe('Access-Reject');
});

test('a viewer sees what is remembered and revokes nothing', async ({ api, context, page, sample }) => {
  await remember(api, 12);
  await api.createUser({ name: 'kira', devices: [phone], script: { answer: 'approve', after_ms: 0 } });
  await login({
    port: sample.ports.auto,
    secret: sample.secret,
    user: 'kira',
    attributes: from('203.0.113.31'),
  });
  const credentials = await api.createAdmin('veit', { role: 'viewer' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor?tab=risk&user=kira');
  await expect(page.getByRole('row', { name: /kira/ })).toBeVisible();
  await expect(page.getByRole('button', { name: /Revoke/ })).toHaveCount(0);
});
