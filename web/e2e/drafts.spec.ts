/** Drafts: kept, looked at, applied, deleted. */

import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

async function makeDraft(api: Api, message: string, exempt: string[]): Promise<number> {
  const made = await good(api.client.POST('/api/v1/drafts', { body: { message } }));
  if (!('id' in made)) throw new Error('it was only tried');
  await good(
    api.client.PATCH('/api/v1/integrations/{id}', {
      params: { path: { id: 'radius_server_auto' }, query: { draft: made.id } },
      body: { exempt_users: exempt } as never,
    }),
  );
  return made.id;
}

test('they are explained, listed, applied and deleted', async ({ signedInPage: page, api, sample }) => {
  await page.goto('/drafts');
  await expect(page.getByRole('heading', { name: 'No drafts' })).toBeVisible();
  await expect(page.getByText('Keep as draft')).toBeVisible();
  await expectNoSeriousAxe(page);

  const first = await makeDraft(api, 'zoe needs no second factor', ['zoe']);
  const second = await makeDraft(api, 'nobody is exempt any more', ['someone']);
  await page.reload();
  await expect(page.getByRole('row', { name: new RegExp(`Draft ${first}`) })).toContainText('admin nora');
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'drafts');

  await page.getByRole('link', { name: `Draft ${first}` }).click();
  await expect(page.getByText('exempt_users', { exact: false })).toBeVisible();
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await screenshot(page, 'draft');
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await expect(page.getByText(/applied by 1 of 1/)).toBeVisible();
  // That there is no such draft any more is as it should be.
  await expect(page.getByRole('button', { name: 'Delete' })).toHaveCount(0);
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page).toHaveURL(/\/drafts$/);
  const zoe = await login({ port: sample.ports.auto, secret: sample.secret, user: 'zoe' });
  expect(zoe.code).toBe('Access-Accept');

  await page.getByRole('button', { name: `Delete draft ${second}` }).click();
  const dialog = page.getByRole('dialog', { name: `Delete draft ${second}?` });
  await expect(dialog).toContainText('nobody is exempt any more');
  await dialog.getByRole('button', { name: `Delete draft ${second}` }).click();
  await expect(page.getByRole('heading', { name: 'No drafts' })).toBeVisible();
  await page.goto(`/drafts/${second}`);
  await expect(page.getByText(`There is no draft ${second}`)).toBeVisible();
  await page.goto('/drafts/none');
  await expect(page.getByText('There is no draft none')).toBeVisible();
});
