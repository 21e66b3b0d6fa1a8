/** Revisions: what each changed, and back to one. */

import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { configurationOf } from './harness/sample.ts';
import { screenshot } from './harness/shots.ts';

test('two changes are seen, the first is gone back to, and logins are as they were', async ({
  signedInPage: page,
  api,
  sample,
}) => {
  const text = configurationOf(sample);
  const exempt = text.replace('failmode=secure', 'exempt_username_1=zoe\nfailmode=secure');
  const second = await api.importConfig(exempt, 'zoe needs no second factor');
  const third = await api.importConfig(
    exempt.replace('retry_wait=1', 'retry_wait=2'),
    'the upstream is slow',
  );
  const zoe = { port: sample.ports.auto, secret: sample.secret, user: 'zoe' };
  expect((await login(zoe)).code).toBe('Access-Accept');

  await page.goto('/revisions');
  await expect(page.getByRole('row', { name: new RegExp(`Revision ${third} served`) })).toContainText(
    'the upstream is slow',
  );
  await expect(page.getByText('served', { exact: true })).toHaveCount(1);
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'revisions');

  await page.getByRole('link', { name: `Revision ${second}` }).click();
  const changed = page.getByRole('region', { name: 'What it changed' });
  await expect(changed.getByText('zoe')).toBeVisible();
  await expect(page.getByRole('region', { name: 'What the nodes said' }).getByText('applied')).toBeVisible();
  await screenshot(page, 'revision');
  await changed.getByRole('combobox', { name: 'Compared with' }).selectOption(String(third));
  await expect(page).toHaveURL(new RegExp(`/revisions/${second}\\?with=`));
  await expect(changed.getByText('retry_wait', { exact: false })).toBeVisible();
  await page.goBack();
  await page.getByRole('link', { name: 'Revision 1' }).click();
  await page.getByRole('button', { name: 'What it configures' }).click();
  await expect(page.getByLabel('The configuration, secrets masked', { exact: true })).toContainText(
    '"fingerprint"',
  );
  await expect(page.locator('body')).not.toContainText(sample.secret);
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await page.getByRole('button', { name: 'Go back to this revision' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('2 changes')).toBeVisible();
  await expectNoSeriousAxe(page);
  await dialog.getByRole('button', { name: 'Go back to revision 1' }).click();
  await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  // zoe is nobody whom the second factor knows.
  expect((await login(zoe)).code).toBe('Access-Reject');
});

test('they are filtered and paged in the address', async ({ signedInPage: page, api, sample }) => {
  const text = configurationOf(sample);
  for (let wait = 1; wait <= 28; wait += 1) {
    await api.client.POST('/api/v1/config/import', {
      params: { query: { message: `wait ${wait}` } },
      body: { text: text.replace('retry_wait=1', `retry_wait=${(wait % 9) + 1}`), name: 'authproxy.cfg' },
    });
  }
  await page.goto('/revisions');
  await page.getByRole('button', { name: 'Older' }).click();
  await expect(page.getByRole('link', { name: 'Revision 1', exact: true })).toBeVisible();
  await expect(page).toHaveURL(/cursor=/);
  await page.getByRole('button', { name: 'The newest' }).click();
  await page.getByRole('textbox', { name: 'Made by' }).fill('admin nobody');
  await page.keyboard.press('Enter');
  await expect(page.getByText('No revision matches')).toBeVisible();
  await expect(page).toHaveURL(/author=admin/);
  await page.getByRole('main').getByRole('button', { name: 'Show all' }).last().click();
  await page.getByRole('button', { name: 'Only those by admin nora' }).first().click();
  await expect(page.getByText(/revisions, the newest first/)).toBeVisible();
  await page.goto('/revisions/4711');
  await expect(page.getByText('There is no revision 4711')).toBeVisible();
});

test.describe('in a file', () => {
  test.use({ gatewayOptions: { variant: 'file', per: 'test' } });

  test('going back says that it writes the file', async ({ signedInPage: page, gateway, api }) => {
    const { readFileSync, writeFileSync } = await import('node:fs');
    const first = readFileSync(gateway.configurationFile, 'utf8');
    writeFileSync(gateway.configurationFile, first.replace('retry_wait=1', 'retry_wait=2'));
    await api.waitForRevisionApplied(2);
    await page.goto('/revisions/1');
    await page.getByRole('button', { name: 'Go back to this revision' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText(`is written into ${gateway.configurationFile}`)).toBeVisible();
    await dialog.getByRole('button', { name: 'Go back to revision 1' }).click();
    await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
    expect(readFileSync(gateway.configurationFile, 'utf8')).toBe(first);
  });
});
