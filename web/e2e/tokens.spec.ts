/** Tokens: made on the page, shown once, good for a request, and refused once they are revoked. */

import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { screenshot } from './harness/shots.ts';

test('a page without tokens says what they are for', async ({ signedInPage: page }) => {
  await page.goto('/tokens');
  await expect(page.getByRole('heading', { name: 'No tokens yet' })).toBeVisible();
  await expectNoSeriousAxe(page);
});

test('a token is made by keyboard alone, works, and is refused after it was revoked', async ({
  signedInPage: page,
  gateway,
}) => {
  const asked = (token: string) =>
    fetch(`${gateway.adminUrl}/api/v1/integrations`, { headers: { authorization: `Bearer ${token}` } });

  await page.goto('/tokens');
  await expect(page.getByRole('button', { name: 'Create a token' })).toBeVisible();
  await tabTo(page, 'button', 'Create a token');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Create a token' });
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await page.keyboard.type('nightly backup');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await expect(dialog.getByRole('radio', { name: /operator/ })).toBeChecked();
  await page.keyboard.press('Tab');
  await expect(dialog.getByLabel('Days')).toBeFocused();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('30');
  await expectNoSeriousAxe(page);
  await page.keyboard.press('Enter');

  const shown = page.getByRole('dialog', { name: 'Token nightly backup' });
  await expect(shown.getByText('This is shown once')).toBeVisible();
  const token = (await shown.getByLabel('Token nightly backup', { exact: true }).textContent()) ?? '';
  expect(token).toMatch(/^cst_[0-9a-f]+_[0-9a-f]+$/);
  await expect(shown.getByLabel('A request with this token', { exact: true })).toContainText(
    `${gateway.adminUrl}/api/v1/integrations`,
  );
  await expectNoSeriousAxe(page);
  // Escape would lose it.
  await page.keyboard.press('Escape');
  await expect(shown).toBeVisible();
  await shown.getByRole('button', { name: 'I have it' }).click();
  await expect(shown).toBeHidden();
  expect((await asked(token)).status).toBe(200);

  const row = page.getByRole('row', { name: /nightly backup/ });
  await expect(row).toContainText('operator');
  await expect(row).toContainText('by admin nora');
  await page.reload();
  await expect(row).toContainText(/just now|ago/);
  expect(await page.content()).not.toContain(token);

  await row.getByRole('button', { name: 'Revoke nightly backup' }).click();
  const question = page.getByRole('dialog', { name: 'Revoke the token nightly backup?' });
  await expectNoSeriousAxe(page);
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(question).toBeHidden();
  expect((await asked(token)).status).toBe(200);
  await row.getByRole('button', { name: 'Revoke nightly backup' }).click();
  await question.getByRole('button', { name: 'Revoke nightly backup' }).click();
  await expect(row).toBeHidden();
  expect((await asked(token)).status).toBe(401);
});

test('a token that is being made is waited for, and has the focus when it is shown', async ({
  signedInPage: page,
}) => {
  let goOn = () => {};
  const asked = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await page.route('**/api/v1/tokens', async (route) => {
    await asked;
    await route.continue();
  });
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  await page.getByLabel('Name').fill('slow');
  await page.getByRole('button', { name: 'Create the token' }).click();
  // What is on its way cannot be lost: it is shown once.
  await expect(page.getByRole('button', { name: 'Close' })).toBeDisabled();
  await page.keyboard.press('Escape');
  // The list is slow to come, too, and nobody waits for it.
  await page.route('**/api/v1/tokens?*', () => {});
  goOn();
  const shown = page.getByRole('dialog', { name: 'Token slow' });
  await expect(shown.getByText('This is shown once')).toBeVisible();
  await expect(shown.locator(':focus')).toContainText('This is shown once');
  // A second Enter does not close it.
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await expect(shown).toBeVisible();
  await shown.getByRole('button', { name: 'I have it' }).click();
  await expect(shown).toBeHidden();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  // And the next one begins anew.
  await page.getByRole('button', { name: 'Create a token' }).click();
  await expect(page.getByRole('dialog').getByLabel('Name')).toHaveValue('');
});

test('many are searched, letter by letter, and those that went before a failure are gone', async ({
  signedInPage: page,
  api,
}) => {
  for (let made = 0; made < 8; made += 1) await api.withToken(`probe ${made}`, 'viewer');
  await page.route('**/api/v1/tokens?*', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { items: { name: string; expired: boolean }[] };
    for (const one of body.items) one.expired = one.name === 'probe 1' || one.name === 'probe 2';
    await route.fulfill({ response, json: body });
  });
  await page.goto('/tokens');
  const search = page.getByLabel('Search');
  await search.fill('prbe 1');
  // What is typed in the middle stays there.
  await search.press('Home');
  await search.press('ArrowRight');
  await search.press('ArrowRight');
  await page.keyboard.type('o');
  await page.keyboard.press('ArrowRight');
  await expect(page).toHaveURL(/q=probe/);
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByLabel('Search').fill('');
  await expect(page.getByRole('row', { name: /probe 7/ })).toBeVisible();

  let deleted = 0;
  await page.route('**/api/v1/tokens/*', (route) => {
    deleted += 1;
    return deleted === 1 ? route.continue() : route.abort();
  });
  await page.getByRole('button', { name: 'Delete 2 expired' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 2 expired tokens' }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('button', { name: 'Delete 1 expired' })).toBeVisible();
});

test('what the gateway refuses is told at the field, and the name that is taken in words', async ({
  signedInPage: page,
  api,
}) => {
  await api.withToken('taken', 'viewer');
  await page.goto('/tokens');
  await page.getByRole('button', { name: 'Create a token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('taken');
  await dialog.getByRole('button', { name: 'Create the token' }).click();
  await expect(dialog.getByRole('alert')).toContainText('another token is called');
  await expect(dialog.getByRole('alert')).toContainText('Request');
  await dialog.getByLabel('Name').fill(' ');
  await dialog.getByRole('button', { name: 'Create the token' }).click();
  await expect(dialog.getByLabel('Name')).toHaveAttribute('aria-invalid', 'true');
  await expect(dialog.getByText('has 1 to 64 characters')).toBeVisible();
});

test('those that expired are marked, and go together', async ({ signedInPage: page, api }) => {
  await api.withToken('monitoring', 'viewer');
  await api.withToken('deployment of sites', 'admin');
  await page.route('**/api/v1/tokens?*', async (route) => {
    // A minute is the shortest life of a token: the answer is taken as it will be then.
    const response = await route.fetch();
    const body = (await response.json()) as {
      items: { name: string; expired: boolean; expires_at_ms: number }[];
    };
    for (const one of body.items) {
      if (one.name !== 'monitoring') continue;
      one.expired = true;
      one.expires_at_ms = Date.now() - 3_600_000;
    }
    await route.fulfill({ response, json: body });
  });
  await page.goto('/tokens');
  const row = page.getByRole('row', { name: /monitoring/ });
  await expect(row).toContainText('expired');
  await screenshot(page, 'tokens');
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.getByRole('button', { name: 'Delete 1 expired' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete 1 expired token' }).click();
  await expect(row).toBeHidden();
  await expect(page.getByRole('row', { name: /deployment of sites/ })).toBeVisible();
});
