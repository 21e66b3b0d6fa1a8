import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { screenshot } from './harness/shots.ts';

test('settings are changed, reviewed and taken back', async ({ signedInPage: page }) => {
  await page.goto('/settings');
  await page.getByLabel('HTTP proxy').fill('proxy.example.com');
  await expect(page.getByLabel("The proxy's port")).toHaveValue('80');
  await page.getByLabel("The proxy's port").fill('3128');
  // Another host in its place is asked at the same port.
  await page.getByLabel('HTTP proxy').fill('');
  await page.getByLabel('HTTP proxy').fill('proxy.example.com');
  await expect(page.getByLabel("The proxy's port")).toHaveValue('3128');
  await page.getByRole('switch', { name: 'Each step of each login' }).click();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'settings');
  await page.getByRole('button', { name: 'Review the change' }).click();
  const dialog = page.getByRole('dialog', { name: /^Review the change$|is made$/ });
  await expect(dialog.getByText('http_proxy').first()).toBeVisible();
  await dialog.getByRole('button', { name: 'Apply' }).click();
  await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByLabel('HTTP proxy')).toHaveValue('proxy.example.com');
  await page.getByLabel('HTTP proxy').fill('');
  await expect(page.getByText('1 field changed')).toBeVisible();
  await page.getByRole('button', { name: 'Review the change' }).click();
  await dialog.getByRole('button', { name: 'Keep as draft' }).click();
  await expect(page).toHaveURL(/\/drafts\/\d+$/);
});
