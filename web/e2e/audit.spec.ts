/** The audit: what was done is there, with before and after; it can be narrowed, proven and taken along. */

import { readFile } from 'node:fs/promises';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { screenshot } from './harness/shots.ts';

test('a change is an entry that opens to before and after', async ({ signedInPage: page, api }) => {
  const changed = await good(
    api.client.PATCH('/api/v1/integrations/{id}', {
      params: {
        path: { id: 'radius_server_challenge' },
        query: { message: 'the probe needs no second factor' },
      },
      body: { exempt_users: ['monitoring-probe'] },
    }),
  );
  expect(changed).toBeTruthy();
  await api.withToken('nightly backup', 'viewer');
  await page.goto('/audit');
  const entry = page.getByRole('button', { name: /^Entry \d+: Token created/ });
  await tabTo(page, 'button', /^Entry \d+: Token created/, 80);
  await page.keyboard.press('Enter');
  await expect(entry).toHaveAttribute('aria-expanded', 'true');
  await expect(page.locator('.diff-after', { hasText: 'nightly backup' })).toBeVisible();
  await entry.click();
  await expect(page.locator('.diff-after', { hasText: 'nightly backup' })).toBeHidden();
  // On a phone, what is closed has no place.
  await page.setViewportSize({ width: 360, height: 740 });
  for (const row of await page.getByRole('row').all()) await expect(row).not.toHaveText('');
  await page.setViewportSize({ width: 1440, height: 900 });

  const change = page.getByRole('button', { name: /^Entry \d+: Configuration changed/ }).first();
  await change.click();
  await expect(page.getByText('monitoring-probe')).toBeVisible();
  await expect(page.getByRole('link', { name: /^To revision \d+$/ })).toBeVisible();
  await screenshot(page, 'audit');
  await page.getByRole('button', { name: 'More filters' }).click();
  await expect(page.getByLabel('Since')).toBeVisible();
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
});

test('filters are in the address, and a list without a match says so', async ({
  signedInPage: page,
  api,
}) => {
  await api.withToken('filtered', 'viewer');
  await page.goto('/audit');
  await page.getByRole('combobox', { name: 'What', exact: true }).click();
  await page.getByRole('option', { name: 'Token created', exact: true }).click();
  await expect(page).toHaveURL(/action=token\.create/);
  await expect(page.getByRole('combobox', { name: 'What', exact: true })).toBeFocused();
  const entries = page.getByRole('button', { name: /^Entry \d+/ });
  await expect(entries.first()).toContainText('Token created');
  await expect(page.getByRole('button', { name: /: Signed in/ })).toHaveCount(0);
  await page.reload();
  await expect(entries.first()).toContainText('Token created');

  await page.getByRole('combobox', { name: 'Who' }).fill('admin nobody');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/actor=/);
  await expect(page.getByRole('combobox', { name: 'Who' })).toBeFocused();
  await expect(page.getByRole('heading', { name: 'No entry matches' })).toBeVisible();
  await expect(page).toHaveURL(/actor=admin(\+|%20)nobody/);
  await expectNoSeriousAxe(page);
  await page.getByRole('button', { name: 'Remove the filter What: Token created' }).click();
  await expect(page).not.toHaveURL(/action=/);
  await page.getByRole('button', { name: 'Remove all' }).click();
  await expect(page).toHaveURL(/\/audit$/);
  await expect(page.getByRole('combobox', { name: 'Who' })).toHaveValue('');
  await expect(entries.first()).toBeVisible();

  await entries.first().click();
  await page.getByRole('button', { name: 'All by admin nora' }).click();
  await expect(page).toHaveURL(/actor=admin(\+|%20)nora/);
  await page.goto('/audit?to=2020-01-01');
  await expect(page.getByRole('group', { name: 'Filters in use' })).toContainText('Before: ');
  await page.getByRole('button', { name: 'More filters (1)' }).click();
  await expect(page.getByLabel('Before', { exact: true })).toHaveValue(/^2020-01-01/);
  await expect(page.getByRole('heading', { name: 'No entry matches' })).toBeVisible();
  await page.goBack();
  await page.goto('/audit?from=nonsense');
  await expect(page.getByRole('alert')).toBeVisible();
});

test('older entries come page by page', async ({ signedInPage: page, api }) => {
  for (let made = 0; made < 30; made += 1) {
    const { id } = await good(
      api.client.POST('/api/v1/tokens', {
        body: { name: `t${made}`, role: 'viewer', expires_in_seconds: 60 },
      }),
    );
    await good(api.client.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } }));
  }
  await page.goto('/audit');
  const entries = page.getByRole('button', { name: /^Entry \d+/ });
  await expect(entries).toHaveCount(50);
  await page.getByRole('button', { name: 'Show older' }).click();
  await expect(page.getByText(/this is all of them/)).toBeVisible();
  await expect(page.getByText(/this is all of them/)).toBeFocused();
  await expect(page.getByRole('button', { name: /^Entry 1:/ })).toBeVisible();
});

test('it is proven to be whole, and what is shown can be taken along', async ({
  signedInPage: page,
  api,
}) => {
  await page.goto('/audit');
  await page.getByRole('button', { name: 'Verify the audit' }).click();
  await expect(page.getByText('The audit is intact')).toBeVisible();
  const { link } = await good(api.client.GET('/api/v1/audit/verify'));
  await expect(page.getByText(link).first()).toBeVisible();
  await expectNoSeriousAxe(page);

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export' }).click(),
  ]);
  const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
  const { items } = await good(api.client.GET('/api/v1/audit', { params: { query: { limit: 1000 } } }));
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(items);
});

test('one that is not whole says which entry, and what to do', async ({ signedInPage: page }) => {
  await page.route('**/api/v1/audit/verify', (route) =>
    route.fulfill({
      json: {
        whole: false,
        entries: 3,
        link: 'ab'.repeat(32),
        fault: 'entry 4 is not the one that was written there',
      },
    }),
  );
  await page.goto('/audit');
  await page.getByRole('button', { name: 'Verify the audit' }).click();
  await expect(page.getByText('The audit is not intact')).toBeVisible();
  await expect(
    page.getByText(/Entry 4 is not the one .* Up to entry 3, everything is as it was/),
  ).toBeVisible();
  await expectNoSeriousAxe(page);
});
