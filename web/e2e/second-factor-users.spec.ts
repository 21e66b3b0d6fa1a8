/** Users by the many: who they are, how they are found, and a file of them. */

import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

const file = (text: string) => ({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });

test('a user is added with what is known of them, and found by it', async ({ api, signedInPage: page }) => {
  await page.goto('/second-factor');
  await page.getByRole('button', { name: 'Add a user' }).click();
  const add = page.getByRole('dialog', { name: 'Add a user' });
  await add.getByRole('textbox', { name: 'Name', exact: true }).fill('lmayer');
  await add.getByLabel('Full name').fill('Lea Mayer');
  await add.getByLabel('E-mail').fill('nobody');
  await add.getByRole('button', { name: 'Add the user' }).click();
  await expect(add.getByRole('alert')).toContainText('e-mail');
  await add.getByLabel('E-mail').fill('lea.mayer@corp.example');
  await add.getByLabel('Aliases').fill('lea@corp.example');
  await page.keyboard.press('Enter');
  await add.getByLabel('Groups').fill('Staff');
  await page.keyboard.press('Enter');
  await expectFit(page);
  await screenshot(page, 'second-factor-add');
  await add.getByRole('button', { name: 'Add the user' }).click();
  await expect(page).toHaveURL(/\/users\/lmayer$/);
  const user = await good(
    api.client.GET('/api/v1/second-factor/users/{name}', { params: { path: { name: 'lmayer' } } }),
  );
  expect(user).toMatchObject({ aliases: ['lea@corp.example'], groups: ['Staff'], full_name: 'Lea Mayer' });

  for (const found of ['q=LEA%40corp', 'q=mayer', 'group=Staff', 'q=lea&show=active']) {
    await page.goto(`/second-factor?${found}`);
    await expect(page.getByRole('row')).toHaveCount(2);
    await expect(page.getByRole('row', { name: /lmayer/ })).toContainText('Lea Mayer · Staff');
  }
});

test('a file is looked at first, and then taken in', async ({ api, signedInPage: page }) => {
  await api.createUser({ name: 'moritz' });
  await page.goto('/second-factor');
  await page.getByRole('button', { name: 'Import users' }).click();
  await page.getByRole('menuitem', { name: 'From a CSV file' }).click();
  const form = page.getByRole('dialog', { name: 'Import users from a CSV file' });
  const choose = page.locator('input[type=file]');
  await choose.setInputFiles(file('username,email\nnadine,nadine@corp.example\n,nobody@corp.example\n'));
  await form.getByRole('button', { name: 'See what would change' }).click();
  await expect(form.getByText('Nothing is taken in: 1 line is not possible.')).toBeVisible();
  await expect(form.getByRole('row', { name: /refused/ })).toContainText('Line 3');
  await choose.setInputFiles(
    file(
      'username,full_name,email,groups\nnadine,Nadine Roth,nadine@corp.example,Staff\nmoritz,Moritz Ernst,,\n',
    ),
  );
  await form.getByRole('button', { name: 'See what would change' }).click();
  await expect(form.getByText('1 new user, 1 changed.')).toBeVisible();
  await expect(form.getByRole('row', { name: /moritz/ })).toContainText('full name');
  await expectFit(page);
  await screenshot(page, 'second-factor-import');
  // Until then, nothing was done.
  const before = await good(
    api.client.GET('/api/v1/second-factor/users', { params: { query: { search: 'nadine' } } }),
  );
  expect(before.items).toEqual([]);
  await form.getByRole('button', { name: 'Take in 2 users' }).click();
  await expect(form).toBeHidden();
  await expect(page.getByRole('row', { name: /nadine/ })).toContainText('Nadine Roth · Staff');
});

test('where there is no directory, it is said what to add', async ({ signedInPage: page }) => {
  await page.goto('/second-factor');
  await page.getByRole('button', { name: 'Import users' }).click();
  await page.getByRole('menuitem', { name: 'From a directory' }).click();
  const form = page.getByRole('dialog', { name: 'Import users from a directory' });
  await expect(form.getByText('There is no directory yet')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'second-factor-directory');
});

test('an operator adds users, and imports none', async ({ api, context, page }) => {
  const credentials = await api.createAdmin('oleg', { role: 'operator' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor');
  await expect(page.getByRole('button', { name: 'Add a user' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Import users' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Add a user' }).click();
  const add = page.getByRole('dialog', { name: 'Add a user' });
  await expect(add.getByLabel('Groups')).toHaveCount(0);
  await add.getByRole('textbox', { name: 'Name', exact: true }).fill('rosa');
  await add.getByLabel('Full name').fill('Rosa Winter');
  await add.getByRole('button', { name: 'Add the user' }).click();
  await expect(page).toHaveURL(/\/users\/rosa$/);
  await expect(page.getByRole('region', { name: 'Person' })).toContainText('Rosa Winter');
  await expect(page.getByRole('region', { name: 'Policy' })).toContainText('built in');
  await expectFit(page);
  await screenshot(page, 'second-factor-person');
});
