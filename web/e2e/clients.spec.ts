/** The clients that were seen: who signs, who does not, and what to do. */

import type { Api } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { screenshot } from './harness/shots.ts';

const FROM = 'Packet-Src-IP-Address';

/** Four logins of three devices: one signs, one does not, and one has begun to. */
async function send({ ports, secret }: Sample, api: Api): Promise<void> {
  await login({ port: ports.auto, secret, user: 'alice', attributes: [[FROM, '127.0.0.5']] });
  await login({
    port: ports.auto,
    secret,
    user: 'alice',
    attributes: [[FROM, '127.0.0.6']],
    messageAuthenticator: false,
  });
  await login({
    port: ports.down,
    secret,
    user: 'frank',
    attributes: [[FROM, '127.0.0.7']],
    messageAuthenticator: false,
  });
  await login({ port: ports.down, secret, user: 'grace', attributes: [[FROM, '127.0.0.7']] });
  await api.waitForEvent({ user: 'grace' });
}

test('clients are told apart by what they sent', async ({ signedInPage: page, sample, api }) => {
  await page.goto('/clients');
  await expect(page.getByRole('heading', { name: 'No client has been seen yet' })).toBeVisible();
  await send(sample, api);
  await page.reload();
  const rows = page.getByRole('list', { name: 'Clients' }).getByRole('listitem');
  await expect(rows).toHaveCount(3);
  const of = (address: string) => rows.filter({ hasText: address });
  // It signs, and others of the same client do not: nothing may be required of all of them yet.
  await expect(of('127.0.0.5')).toContainText('others of client 127.0.0.0/8 do not');
  await expect(of('127.0.0.6')).toContainText('Turn on Message-Authenticator on the device');
  await expect(of('127.0.0.7')).toContainText('7 days more');
  await expect(of('127.0.0.6').getByRole('link', { name: 'Its logins' })).toHaveAttribute(
    'href',
    '/logins?client=127.0.0.6&integration=radius_server_auto',
  );
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await expectNoSeriousAxe(page);
  await screenshot(page, 'clients-seen');
});

test.describe('that were seen before', () => {
  // A test that failed begins a new gateway, which has seen none.
  test.beforeEach(async ({ api, sample }) => {
    const { data } = await api.client.GET('/api/v1/clients/seen');
    if (data?.total === 0) await send(sample, api);
  });

  test('the filters are in the address', async ({ signedInPage: page }) => {
    await page.goto('/clients?unsigned=true');
    const rows = page.getByRole('list', { name: 'Clients' }).getByRole('listitem');
    await expect(rows).toHaveCount(2);
    await page.getByText('Ready', { exact: true }).click();
    await expect(page).toHaveURL(/unsigned=false/);
    await expect(rows).toHaveCount(1);
    await page.getByText('All', { exact: true }).first().click();
    await page.getByLabel('Contains').pressSequentially('0.7');
    await expect(page).toHaveURL(/q=0\.7/);
    await expect(rows).toHaveCount(1);
    await expect(page.getByLabel('Contains')).toBeFocused();
    await page.getByLabel('Contains').fill('nothing of the kind');
    await expect(page.getByRole('heading', { name: 'No client matches' })).toBeVisible();
    await page.getByRole('button', { name: 'Show all' }).click();
    await expect(rows).toHaveCount(3);
    await expect(page.getByLabel('Contains')).toHaveValue('');
    await page.getByLabel('Order').selectOption('Address');
    await expect(rows.first()).toContainText('127.0.0.5');
    await page.getByLabel('Integration').selectOption('radius_server_auto2');
    await expect(rows).toHaveCount(1);
    await expect(page).toHaveURL(/integration=radius_server_auto2/);
    // One that is gone is still what is asked for, and says so.
    await page.goto('/clients?integration=gone');
    await expect(page.getByRole('heading', { name: 'No client matches' })).toBeVisible();
    await expect(page.getByLabel('Integration')).toHaveValue('gone');
  });

  test('a client that is required to sign needs nothing more', async ({ signedInPage: page, api }) => {
    await api.client.PATCH('/api/v1/integrations/{id}/clients/{address}', {
      params: { path: { id: 'radius_server_auto', address: '127.0.0.0/8' } },
      body: { message_authenticator: 'require' },
    });
    await page.goto('/clients?q=127.0.0.5');
    await expect(page.getByText('Already required. Nothing to do.')).toBeVisible();
  });
});
