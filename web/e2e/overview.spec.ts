/** The overview: real logins are counted, and each number leads to its cause. */

import type { Page } from '@playwright/test';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { screenshot } from './harness/shots.ts';

/** Axe in the light and in the dark. */
async function axe(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'light' });
  await expectNoSeriousAxe(page);
}

const region = (page: Page, name: string) => page.getByRole('region', { name });

async function send({ ports, secret }: Sample): Promise<void> {
  for (const user of ['alice', 'alice', 'carol', 'dave']) {
    await login({ port: ports.auto, secret, user });
  }
  await login({ port: ports.down, secret, user: 'frank', messageAuthenticator: false });
}

test.describe('with logins', () => {
  test('they are counted, and what failed leads to its login', async ({
    signedInPage: page,
    sample,
    api,
  }) => {
    await page.goto('/');
    await expect(page.getByText('No login in the last hour.')).toBeVisible();
    await send(sample);
    const failed = await api.waitForEvent({ user: 'frank' });
    // The page finds them by itself.
    const reasons = region(page, 'Why logins were refused');
    await expect(reasons.getByRole('link', { name: 'primary does not answer' })).toBeVisible();
    const chart = region(page, 'Logins over time');
    await expect(chart.getByText(/^5 requests in the last hour: 2 accepted, 3 rejected\./)).toBeVisible();
    await expect(chart.getByRole('group', { name: /^Logins by outcome, each bar is/ })).toBeVisible();

    const status = region(page, 'Status');
    await expect(status).toContainText('Authenticator radius_client did not answer: 1 of 1 login failed.');
    await expect(status).toContainText('1 client sent requests without a Message-Authenticator.');

    const unsigned = region(page, 'Clients without Message-Authenticator');
    await expect(unsigned).toContainText('127.0.0.1 at radius_server_auto2');
    await expect(unsigned.getByRole('link')).toHaveAttribute('href', '/clients?unsigned=true');

    await expect(reasons.getByRole('link', { name: 'denied' })).toHaveAttribute(
      'href',
      /^\/logins\?reason=denied&outcome=reject&from=/,
    );
    const authenticators = region(page, 'Authenticators');
    await expect(authenticators).toContainText('fails');
    await authenticators.getByRole('link', { name: 'To this login' }).click();
    await expect(page).toHaveURL(new RegExp(`/logins/${failed.id}$`));
  });

  test.describe('that were sent before', () => {
    // A test that failed begins a new gateway, which has none.
    test.beforeEach(async ({ api, sample }) => {
      const { data } = await api.client.GET('/api/v1/events', { params: { query: { limit: 1 } } });
      if ((data as { items: unknown[] } | undefined)?.items.length === 0) await send(sample);
      await api.waitForEvent({ user: 'frank' });
    });

    test('charts are read as text, as a table, and by keyboard', async ({ signedInPage: page }) => {
      await page.goto('/');
      const chart = region(page, 'Logins over time');
      await chart.getByText('As a table').click();
      const table = chart.getByRole('table', { name: /^Logins by outcome/ });
      await expect(table.getByRole('columnheader')).toHaveText([
        'From',
        'accepted',
        'asked',
        'rejected',
        'unanswered',
        'all',
      ]);
      const all = await table.getByRole('row').locator('td:last-child').allTextContents();
      expect(all.reduce((sum, text) => sum + Number(text), 0)).toBe(5);

      const drawn = chart.getByRole('group', { name: /^Logins by outcome, each bar is/ });
      await drawn.focus();
      await page.keyboard.press('Home');
      await expect(chart.getByText(/^\d\d:\d\d:\d\d–\d\d:\d\d:\d\d: no login$/)).toBeVisible();
      await page.keyboard.press('Enter');
      await expect(page).toHaveURL(/\/logins\?from=[^&]+&to=/);
    });

    test('the span is in the address, and a user is looked for by keyboard alone', async ({
      signedInPage: page,
    }) => {
      await page.goto('/?minutes=15');
      await expect(page.getByRole('radio', { name: '15 min' })).toBeChecked();
      await expect(page.getByText(/requests in the last 15 minutes/)).toBeVisible();
      await page.getByText('24 h', { exact: true }).click();
      await expect(page).toHaveURL(/minutes=1440/);
      await expect(page.getByText(/requests in the last 24 hours/)).toBeVisible();
      await tabTo(page, 'textbox', 'Somebody cannot log in?');
      await page.keyboard.type('carol');
      await page.keyboard.press('Enter');
      await expect(page).toHaveURL(/\/logins\?user=carol$/);
    });

    test('it can be used by everybody', async ({ signedInPage: page }) => {
      await page.goto('/?minutes=15');
      await expect(region(page, 'Logins over time').locator('canvas')).toBeVisible();
      await expect(page.locator('canvas')).toHaveCount(2);
      await axe(page);
      await screenshot(page, 'overview');
    });
  });
});

test('primary-only is started with its confirmation, seen, and ended', async ({
  signedInPage: page,
  gateway,
}) => {
  test.setTimeout(180_000);
  const { ports, secret } = gateway.sample;
  await page.goto('/');
  await page.getByRole('button', { name: 'Primary only…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Where').selectOption('radius_server_auto');
  await dialog.getByLabel('Why').fill('service down');
  await dialog.getByRole('button', { name: 'See what that opens' }).click();
  // Nobody checks a password there: it is refused, with why.
  await expect(dialog.getByRole('alert')).toContainText('radius_server_auto');
  await dialog.getByLabel('Where').selectOption('radius_server_auto2');
  await dialog.getByRole('button', { name: 'See what that opens' }).click();
  await expect(dialog).toContainText('whoever has a password gets in without the second factor');
  await expect(dialog.getByRole('listitem')).toHaveText(['radius_server_auto2']);
  const go = dialog.getByRole('button', { name: 'Let them in on the password' });
  await expect(go).toBeDisabled();
  await dialog.getByLabel('Type primary-only to go on').fill('primary-only');
  await go.click();
  await expect(dialog).toBeHidden();

  const alarm = page.getByRole('alert').filter({ hasText: 'Primary only' });
  await expect(alarm).toContainText('radius_server_auto2');
  await expect(alarm).toContainText('nora: service down');
  await expect(region(page, 'Status')).toContainText(
    'The second factor is not asked for at radius_server_auto2',
  );
  await axe(page);
  await screenshot(page, 'primary-only');
  await alarm.getByRole('button', { name: 'End it now' }).click();
  await page.getByRole('button', { name: 'Ask for the second factor again' }).click();
  await expect(alarm).toBeHidden();
  expect((await login({ port: ports.auto, secret, user: 'alice' })).code).toBe('Access-Accept');
});

test('what primary-only opens can be read by everybody', async ({ signedInPage: page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Primary only…' }).click();
  const dialog = page.getByRole('dialog');
  await expectNoSeriousAxe(page);
  await dialog.getByLabel('Where').selectOption('');
  await dialog.getByLabel('Why').fill('service down');
  await dialog.getByRole('button', { name: 'See what that opens' }).click();
  await expect(dialog).toContainText('Stays closed, since nobody checks a password there');
  await expectNoSeriousAxe(page);
});

test('a viewer sees it all, and is offered nothing that is refused', async ({ page, context, api }) => {
  const viewer = await api.signIn(await api.createAdmin('vera', { role: 'viewer' }));
  await signInBrowser(context, viewer);
  await page.goto('/');
  await expect(region(page, 'Status')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Primary only…' })).toBeHidden();
});

test.describe('with nothing set up', () => {
  test.use({ gatewayOptions: { variant: 'fresh', per: 'test' } });

  test('it leads to the first integration', async ({ page, context, gateway }) => {
    const nora = await gateway.api.createAdmin('nora', { setupLink: gateway.setupLink });
    await signInBrowser(context, await gateway.api.signIn(nora));
    await page.goto('/');
    await expect(page.getByRole('heading', { name: 'Nothing is set up yet' })).toBeVisible();
    await axe(page);
    await screenshot(page, 'overview-empty');
    await page.getByRole('link', { name: 'Set up the first integration' }).click();
    await expect(page).toHaveURL(/\/welcome$/);
  });
});
