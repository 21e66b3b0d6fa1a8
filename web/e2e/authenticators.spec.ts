import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { screenshot } from './harness/shots.ts';

test('a directory is set up, with the faults at their fields', async ({ signedInPage: page }) => {
  await page.goto('/authenticators');
  await page.getByRole('link', { name: 'New authenticator' }).click();
  await page.getByLabel('Name', { exact: true }).fill('directory');
  await page.getByRole('button', { name: 'Review and create' }).click();
  const password = page.locator('[data-field="kind.ad.service_account_password"]');
  await expect(password.getByText('a value is needed')).toBeVisible();
  await page.getByLabel('Server 1', { exact: true }).fill('dc1.example.com');
  await page.getByRole('button', { name: 'Add a server' }).click();
  await page.getByLabel('Server 2', { exact: true }).fill('dc2.example.com');
  await page.getByLabel('User name', { exact: true }).fill('svc-radius');
  await page.getByLabel('Password', { exact: true }).fill('planted-password');
  await page.getByLabel('Search under').fill('DC=example,DC=com');
  await page.getByLabel('Only members of these groups').fill('CN=VPN,DC=example,DC=com');
  await expect(password.getByText('a value is needed')).toBeHidden();
  // The usual port goes along with the protection.
  await page.getByRole('radio', { name: 'StartTLS' }).check();
  await expect(page.getByLabel('Port of server 1')).toHaveValue('389');
  await page.getByRole('radio', { name: 'LDAPS' }).check();
  await expect(page.getByLabel('Port of server 2')).toHaveValue('636');
  // A look at another kind costs nothing of what was typed.
  await page.getByRole('radio', { name: 'Upstream RADIUS' }).check();
  await expect(page.getByLabel('Search under')).toBeHidden();
  await page.getByRole('radio', { name: 'Directory (LDAP)' }).check();
  await expect(page.getByLabel('Search under')).toHaveValue('DC=example,DC=com');
  await page.getByRole('button', { name: 'Review and create' }).click();
  const dialog = page.getByRole('dialog', { name: /^Review the change$|is made$/ });
  await expect(dialog.getByText(/dc2\.example\.com/)).toBeVisible();
  expect(await dialog.textContent()).not.toContain('planted-password');
  await dialog.getByRole('button', { name: 'Apply' }).click();
  await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByText('No integration uses it yet')).toBeVisible();
  await expect(page.getByText('Set, fingerprint')).toBeVisible();

  // Another host, and the password would go there.
  await page.getByLabel('Server 1', { exact: true }).fill('dc9.example.com');
  await expect(password.getByText(/it would go to another server/)).toBeVisible();
  await page.getByRole('button', { name: 'Reset' }).click();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'authenticator');
});

test('one that is used says by whom, and cannot go', async ({ signedInPage: page }) => {
  await page.goto('/authenticators/no-such-one');
  await expect(page.getByText('There is no authenticator no-such-one')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Remove' })).toHaveCount(0);
  await page.getByRole('link', { name: 'To the authenticators' }).click();
  const row = page.getByRole('row', { name: /radius_client/ });
  await expect(row.getByRole('link', { name: 'radius_server_auto2' })).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'authenticators');
  await row.getByRole('link', { name: 'radius_client' }).click();
  await expect(page.getByText(/so it cannot be removed/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Remove', exact: true })).toBeDisabled();
  // An attribute is found by its name.
  const field = page.locator('[data-field="kind.radius.pass_through.attributes"]');
  await field.getByRole('textbox').fill('No-Such-Attribute');
  await field.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(field.getByText(/no dictionary has/)).toBeVisible();
  await field.getByRole('textbox').fill('Fortinet-Group-Name');
  await field.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(field.getByRole('button', { name: 'Remove Fortinet-Group-Name' })).toBeVisible();
  await expect(page.getByText('1 field changed')).toBeVisible();
});
