import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

// What one test changes no other one wants to find.
test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

/** Reviews what the form has, sees a line of it, applies it, and waits until the node serves it. */
async function apply(page: Page, button: string | RegExp, ...lines: (string | RegExp)[]) {
  await page.getByRole('button', { name: button }).click();
  const dialog = page.getByRole('dialog', { name: /^Review the change$|is made$/ });
  for (const line of lines) await expect(dialog.getByText(line).first()).toBeVisible();
  await dialog.getByRole('button', { name: 'Apply' }).click();
  await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog).toBeHidden();
}

test('an edit is seen, applied, acknowledged, and logs people in', async ({ signedInPage: page, sample }) => {
  await page.goto('/integrations');
  await page.getByRole('link', { name: 'radius_server_auto', exact: true }).click();
  await page.getByLabel('UDP port').fill(String(sample.ports.spare));
  await expect(page.getByText('1 field changed')).toBeVisible();
  await apply(page, 'Review the change', String(sample.ports.auto), String(sample.ports.spare));
  await expect(page.getByLabel('UDP port')).toHaveValue(String(sample.ports.spare));
  await expect(page.getByRole('button', { name: 'Review the change' })).toBeHidden();
  const answer = await login({ port: sample.ports.spare, secret: sample.secret, user: 'alice' });
  expect(answer.code).toBe('Access-Accept');
});

test('what is wrong is said at its field, in the words of the API', async ({ signedInPage: page }) => {
  await page.goto('/integrations/-/new');
  await expect(page.getByRole('heading', { name: 'Clients' })).toBeVisible();
  await expect(page.locator('[aria-invalid="true"]')).toHaveCount(0);
  await page.getByLabel('Name', { exact: true }).fill('a b');
  await page.getByLabel('UDP port').focus();
  const name = page.getByLabel('Name', { exact: true });
  await expect(name).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByText("a name is made of letters, digits, '_', '-' and '.', not ' '")).toBeVisible();
  // Nobody was at the others yet.
  await expect(page.getByText('at least one client is needed')).toBeHidden();
  await page.getByRole('button', { name: 'Review and create' }).click();
  await expect(page.getByText('at least one client is needed')).toBeVisible();
  await expect(page.getByText('mode auto needs an authenticator')).toBeVisible();
  await expect(name).toBeFocused();
  await expectNoSeriousAxe(page);
});

test('a secret goes in and never comes out', async ({ signedInPage: page, sample, api }) => {
  const answers: string[] = [];
  page.on('response', async (response) => {
    if (response.url().includes('/api/')) answers.push(await response.text().catch(() => ''));
  });
  await page.goto('/integrations/radius_server_auto');
  await page.getByRole('button', { name: 'Change 127.0.0.0/8' }).click();
  const dialog = page.getByRole('dialog', { name: /127\.0\.0\.0/ });
  await expect(dialog.getByText('Set, fingerprint')).toBeVisible();
  await dialog.getByRole('button', { name: 'Replace: Shared secret' }).click();
  await dialog.getByRole('button', { name: 'Generate' }).click();
  await expect(dialog.getByText('Copy it now')).toBeVisible();
  const secret = await dialog.getByLabel('Shared secret', { exact: true }).inputValue();
  expect(secret).toMatch(/^\w{32}$/);
  await expectNoSeriousAxe(page);
  await screenshot(page, 'clients');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await apply(page, 'Review the change', /secret/);
  const answer = await login({ port: sample.ports.auto, secret, user: 'alice' });
  expect(answer.code).toBe('Access-Accept');
  await page.reload();
  await expect(page.getByRole('button', { name: 'Change 127.0.0.0/8' })).toBeVisible();
  expect(await page.content()).not.toContain(secret);
  expect(answers.join('\n')).not.toContain(secret);
  const read = await good(
    api.client.GET('/api/v1/integrations/{id}', { params: { path: { id: 'radius_server_auto' } } }),
  );
  expect(JSON.stringify(read)).not.toContain(secret);
});

test('a secret is asked for again where it would go to another server', async ({
  signedInPage: page,
  api,
}) => {
  await good(
    api.client.PATCH('/api/v1/integrations/{id}', {
      params: { path: { id: 'radius_server_auto2' } },
      body: {
        application: {
          host: 'api.example.com',
          ikey: 'DIEXAMPLE',
          skey: 'planted-key',
          port: 443,
          pinned_ca: null,
        },
      } as never,
    }),
  );
  await page.goto('/integrations/radius_server_auto2');
  await page.getByRole('textbox', { name: 'Host', exact: true }).fill('api.example.org');
  const key = page.locator('[data-field="application.skey"]');
  await expect(key.getByText(/it would go to another server/)).toBeVisible();
  await key.getByRole('button', { name: 'Replace: Secret key' }).click();
  await key.getByLabel('Secret key', { exact: true }).fill('another-planted-key');
  await expect(key.getByText(/it would go to another server/)).toBeHidden();
  await apply(page, 'Review the change', 'api.example.org');
});

test('what was not saved is not lost by a click', async ({ signedInPage: page }) => {
  await page.goto('/integrations/radius_server_auto');
  await page.getByLabel('Users without a second factor').fill('root');
  await page.getByRole('link', { name: 'Settings' }).click();
  const guard = page.getByRole('dialog', { name: /Leave radius_server_auto/ });
  await guard.getByRole('button', { name: 'Stay', exact: true }).last().click();
  await expect(page.getByLabel('Users without a second factor')).toHaveValue('root');
  await page.getByRole('button', { name: 'Reset' }).click();
  await page.getByRole('link', { name: 'Settings' }).click();
  await expect(page).toHaveURL(/\/settings$/);
});

test('a change of somebody else meanwhile is not overwritten', async ({ signedInPage: page, api }) => {
  await page.goto('/integrations/radius_server_auto');
  await page.getByLabel('Users without a second factor').fill('root');
  await good(
    api.client.PATCH('/api/v1/integrations/{id}', {
      params: { path: { id: 'radius_server_auto' } },
      body: { api_timeout_seconds: 42 } as never,
    }),
  );
  await page.getByLabel('Users without a second factor').fill('root\nadmin');
  const alert = page.getByRole('alert').filter({ hasText: 'Somebody changed radius_server_auto meanwhile' });
  await expect(alert).toBeVisible();
  await alert.getByRole('button', { name: 'Keep mine' }).click();
  await expect(page.getByLabel('Time for a call to the second factor')).toHaveValue('42 s');
  await apply(page, 'Review the change', /exempt_users/);
  const read = await good(
    api.client.GET('/api/v1/integrations/{id}', { params: { path: { id: 'radius_server_auto' } } }),
  );
  expect(read).toMatchObject({ api_timeout_seconds: 42, exempt_users: ['root', 'admin'] });
});

test('an integration begins with a device, and logs people in', async ({ signedInPage: page, sample }) => {
  await page.goto('/integrations');
  await page.getByRole('link', { name: 'New integration' }).click();
  // What was typed first stays.
  await page.getByRole('button', { name: 'Add a client' }).click();
  await page.getByRole('dialog').getByLabel('Address').fill('192.0.2.77');
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByLabel('Device', { exact: true }).selectOption({ label: 'Fortinet FortiGate' });
  await expect(page.getByRole('radio', { name: 'Challenge' })).toBeChecked();
  await expect(page.getByLabel('Shape of the menu')).toHaveValue('short');
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('fortigate');
  await page.getByRole('button', { name: 'Remove 192.0.2.77' }).click();
  await expect(page.getByRole('button', { name: 'Add a client' })).toBeFocused();
  await page.getByLabel('UDP port').fill(String(sample.ports.spare));
  await page.getByLabel('Authenticator').selectOption('duo_only_client');
  await page.getByRole('button', { name: 'Add a client' }).click();
  const dialog = page.getByRole('dialog', { name: 'New client' });
  await dialog.getByLabel('Address').fill('127.0.0.0/8');
  await dialog.getByLabel('Shared secret', { exact: true }).fill('forti-Secret-1');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  // What is set on the device has what was chosen.
  await expect(page.getByText('set secret forti-Secret-1')).toBeVisible();
  await apply(page, 'Review and create', /fortigate/);
  await expect(page).toHaveURL(/\/integrations\/fortigate$/);
  await expect(page.getByRole('heading', { name: 'fortigate', level: 1 })).toBeVisible();
  const answer = await login({ port: sample.ports.spare, secret: 'forti-Secret-1', user: 'bob' });
  expect(answer.code).toBe('Access-Challenge');
  expect(answer.replyMessage).toContain('Choose a secondary factor');
});

test('a thousand clients are pasted, found and applied', async ({ signedInPage: page }) => {
  await page.goto('/integrations/radius_server_auto2');
  await page.getByRole('button', { name: 'Paste many' }).click();
  const dialog = page.getByRole('dialog', { name: 'Paste clients' });
  const lines = Array.from({ length: 1000 }, (_, n) => `10.1.${Math.floor(n / 250)}.${n % 250} secret-${n}`);
  await dialog.getByLabel('Clients').fill(`nonsense\n${lines.join('\n')}`);
  await expect(dialog.getByText('1 line cannot be read')).toBeVisible();
  await dialog.getByLabel('Clients').fill(lines.join('\n'));
  await dialog.getByRole('button', { name: 'Add 1,000 clients' }).click();
  await expect(page.getByText('1,001 clients')).toBeVisible();
  await page.getByLabel('Find a client by its address').fill('10.1.3.249');
  await page.getByRole('button', { name: 'Remove 10.1.3.249' }).click();
  await expect(page.getByText('1,000 clients')).toBeVisible();
  await apply(page, 'Review the change', '10.1.0.1');
});

test('an integration is copied, and removed by its name', async ({ signedInPage: page, sample }) => {
  await page.goto('/integrations/radius_server_challenge');
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Duplicate' }).click();
  await expect(page.getByRole('heading', { name: 'Copy of radius_server_challenge' })).toBeVisible();
  await page.getByLabel('Name', { exact: true }).fill('copy');
  await page.getByLabel('UDP port').fill(String(sample.ports.spare));
  await page.getByRole('button', { name: 'Change 127.0.0.0/8' }).click();
  const client = page.getByRole('dialog', { name: /127\.0\.0\.0/ });
  await client.getByLabel('Shared secret', { exact: true }).fill('copy-Secret-1');
  await client.getByRole('button', { name: 'Done' }).click();
  await apply(page, 'Review and create', /copy/);
  await expect(page).toHaveURL(/\/integrations\/copy$/);
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Remove' }).click();
  const confirm = page.getByRole('dialog', { name: 'Remove integration copy?' });
  await confirm.getByRole('button', { name: 'Remove copy' }).click();
  const review = page.getByRole('dialog', { name: /^Review the change$|is made$/ });
  await expect(confirm).toBeHidden();
  await expect(review.locator(':focus')).toHaveCount(1);
  await review.getByRole('button', { name: 'Apply' }).click();
  await expect(review.getByText(/applied by 1 of 1/)).toBeVisible();
  await review.getByRole('button', { name: 'Done' }).click();
  await expect(page).toHaveURL(/\/integrations$/);
  await expect(page.getByRole('link', { name: 'copy', exact: true })).toHaveCount(0);
  await page.goto('/integrations/copy');
  await expect(page.getByText('There is no integration copy')).toBeVisible();
});

test('the list is narrowed by its address, and both can be read by everybody', async ({
  signedInPage: page,
}) => {
  await page.goto('/integrations?mode=challenge');
  await expect(page.getByText('1 integration', { exact: true })).toBeVisible();
  await page.getByLabel('Mode').selectOption('');
  await expect(page.getByText('3 integrations')).toBeVisible();
  await page.getByLabel('Search').fill('auto2');
  await expect(page).toHaveURL(/q=auto2/);
  await expect(page.getByText('1 integration', { exact: true })).toBeVisible();
  await page.getByLabel('Search').fill('');
  await expect(page.getByText('3 integrations')).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.goto('/integrations');
    await expect(page.getByText('3 integrations')).toBeVisible();
    await expectNoSeriousAxe(page);
    if (colorScheme === 'light') await screenshot(page, 'integrations');
    await page.emulateMedia({ colorScheme });
    await page.goto('/integrations/radius_server_challenge');
    await expect(page.getByLabel('Shape of the menu')).toBeVisible();
    await expectNoSeriousAxe(page);
    if (colorScheme === 'light') await screenshot(page, 'integration');
  }
});

test('the keyboard is enough', async ({ signedInPage: page }) => {
  await page.goto('/integrations/radius_server_auto');
  await tabTo(page, 'textbox', 'Users without a second factor');
  await page.keyboard.type('root');
  await tabTo(page, 'button', 'Review the change');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Review the change' });
  await expect(dialog.getByText('exempt_users')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
});

test.describe('where a file is the truth', () => {
  test.use({ gatewayOptions: { variant: 'file' } });

  test('everything is to be read, and nothing to be written', async ({ signedInPage: page, gateway }) => {
    for (const path of [
      '/integrations',
      '/integrations/radius_server_auto',
      '/authenticators',
      '/settings',
    ]) {
      await page.goto(path);
      await expect(page.getByText('The configuration is a file')).toBeVisible();
      await expect(page.getByText(gateway.configurationFile)).toBeVisible();
      await expect(page.getByRole('link', { name: /^New / })).toHaveCount(0);
      await expect(page.getByRole('button', { name: /Review|Remove|Add/ })).toHaveCount(0);
    }
    await page.goto('/integrations/radius_server_auto');
    // Text, and not an input that does nothing.
    await expect(page.getByRole('group', { name: 'UDP port' })).toContainText(/\d{4,5}/);
    await expect(page.getByRole('main').locator('input, select, textarea')).toHaveCount(0);
    await screenshot(page, 'integration-read');
    await expectNoSeriousAxe(page);
    await page.getByRole('link', { name: 'Open it as text' }).click();
    await expect(page).toHaveURL(/\/configuration$/);
  });
});

test.describe('of a fresh gateway', () => {
  test.use({ gatewayOptions: { variant: 'fresh', per: 'test' } });

  test('the list says how to begin', async ({ page, gateway, context }) => {
    const { signInBrowser } = await import('./harness/fixtures.ts');
    const administrator = await gateway.api.createAdmin('nora', { setupLink: gateway.setupLink });
    await signInBrowser(context, await gateway.api.signIn(administrator));
    await page.goto('/integrations');
    await expect(page.getByText('No integration yet')).toBeVisible();
    await expect(page.getByRole('link', { name: 'Import a file' })).toBeVisible();
    await expectNoSeriousAxe(page);
  });
});
