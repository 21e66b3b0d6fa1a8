/** Administrators: invited by a link that works, removed, and signed in at a provider. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { screenshot, toTop } from './harness/shots.ts';

test('who is invited takes the link of the page, and signs in', async ({ signedInPage: page, api }) => {
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Invite an administrator' }).click();
  const dialog = page.getByRole('dialog', { name: 'Invite an administrator' });
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('Name').fill('olga');
  await dialog.getByRole('radio', { name: /operator/ }).check();
  await expectNoSeriousAxe(page);
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();

  const shown = page.getByRole('dialog', { name: 'Invitation of olga' });
  const link = new URL((await shown.getByLabel('Link for olga', { exact: true }).textContent()) ?? '');
  await expectNoSeriousAxe(page);
  await page.keyboard.press('Escape');
  await expect(shown).toBeVisible();
  await shown.getByRole('button', { name: 'I have it' }).click();
  const row = page.getByRole('row', { name: /^olga/ });
  await expect(row).toContainText('invited');
  await expect(row).toContainText('by admin nora');

  expect(link.origin).toBe(api.adminUrl);
  expect(link.pathname).toBe('/invitation');
  const olga = await api.as('nobody').takeInvitation('olga', link.hash.slice(1));
  const hers = await api.as('nobody').signIn(olga);
  expect(await good(hers.client.GET('/api/v1/session'))).toEqual({ caller: 'admin olga', role: 'operator' });
  await page.reload();
  await expect(row).toContainText('active');

  await row.getByRole('button', { name: 'Remove olga' }).click();
  const question = page.getByRole('dialog', { name: 'Remove the administrator olga?' });
  await question.getByRole('button', { name: 'Remove olga' }).click();
  await expect(row).toBeHidden();
  expect((await hers.client.GET('/api/v1/session')).response.status).toBe(401);
});

test('another link makes the one before worthless', async ({ signedInPage: page, api }) => {
  const first = await good(api.client.POST('/api/v1/admins', { body: { name: 'pavel', role: 'viewer' } }));
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Another link for pavel' }).click();
  await page
    .getByRole('dialog', { name: 'Create another link for pavel?' })
    .getByRole('button', { name: 'Another link for pavel' })
    .click();
  const link = (await page.getByLabel('Link for pavel', { exact: true }).textContent()) ?? '';
  const asked = (invitation: string) =>
    api.as('nobody').client.POST('/api/v1/invitation', { body: { name: 'pavel', invitation } });
  expect((await asked(link.slice(link.indexOf('#') + 1))).response.status).toBe(200);
  expect((await asked(first.invitation ?? '')).response.status).toBe(401);
});

test('an invitation is revoked, and called that', async ({ signedInPage: page, api }) => {
  await good(api.client.POST('/api/v1/admins', { body: { name: 'rosa', role: 'viewer' } }));
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Revoke the invitation of rosa' }).click();
  const question = page.getByRole('dialog', { name: 'Revoke the invitation of rosa?' });
  await question.getByRole('button', { name: 'Revoke the invitation' }).click();
  await expect(page.getByText('The invitation of rosa is revoked.')).toBeVisible();
  await expect(page.getByRole('row', { name: /^rosa/ })).toBeHidden();
});

test('who has lost the second factor is marked, and what others do is seen without a reload', async ({
  signedInPage: page,
  api,
}) => {
  await good(
    api.client.POST('/api/v1/admins', {
      body: { name: 'tina', role: 'viewer', integration: 'radius_server_auto' },
    }),
  );
  await page.goto('/administrators');
  const row = page.getByRole('row', { name: /^tina/ });
  await expect(row).toContainText('invited');
  // As if the integration were taken out of the configuration.
  await page.route('**/api/v1/integrations?*', async (route) => {
    const response = await route.fetch();
    const body = (await response.json()) as { items: { id: string }[] };
    body.items = body.items.filter(({ id }) => id !== 'radius_server_auto');
    await route.fulfill({ response, json: body });
  });
  await page.reload();
  await expect(row).toContainText('cannot sign in');
  await expect(row).toContainText('radius_server_auto is no longer in the configuration');
  await expectNoSeriousAxe(page);
  // Somebody else takes the invitation back: the page shows it by itself.
  await good(
    api.client.DELETE('/api/v1/admins/{name}', {
      params: { path: { name: 'tina' }, query: { invited: true } },
    }),
  );
  await expect(row).toBeHidden({ timeout: 15_000 });
});

test('somebody is invited with the second factor of an integration', async ({ signedInPage: page }) => {
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Invite an administrator' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('not a name');
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  await expect(dialog.getByLabel('Name')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByLabel('Name').fill('alice');
  await dialog.getByRole('combobox', { name: 'Second factor' }).click();
  await page.getByRole('option', { name: 'As at radius_server_auto', exact: true }).click();
  await dialog.getByRole('button', { name: 'Invite', exact: true }).click();
  await expect(page.getByText('second factor of radius_server_auto')).toBeVisible();
  await page.getByRole('button', { name: 'I have it' }).click();
  await expect(
    page.getByRole('row', { name: /^alice/ }).getByRole('link', { name: 'radius_server_auto' }),
  ).toHaveAttribute('href', '/integrations/radius_server_auto');
});

test('who removes themselves is warned, types their name, and is asked to sign in', async ({
  context,
  page,
  api,
}) => {
  const quentin = await api.createAdmin('quentin', { role: 'admin' });
  await signInBrowser(context, await api.as('nobody').signIn(quentin));
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Remove quentin' }).click();
  const question = page.getByRole('dialog', { name: 'Remove the administrator quentin?' });
  await expect(question).toContainText('This is you');
  await expect(question).not.toContainText('Nobody else here has the role admin');
  const remove = question.getByRole('button', { name: 'Remove quentin' });
  await expect(remove).toBeDisabled();
  await question.getByLabel('Type quentin to go on').fill('quentin');
  await remove.click();
  await expect(page).toHaveURL(/\/sign-in/);
});

test('the last who may do everything is named as that', async ({ signedInPage: page }) => {
  await page.goto('/administrators');
  await page.getByRole('button', { name: 'Remove nora' }).click();
  const question = page.getByRole('dialog');
  await expect(question).toContainText('This is you');
  await expect(question).toContainText('Nobody else here has the role admin');
  await expectNoSeriousAxe(page);
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('row', { name: /^nora/ })).toContainText('you');
});

test('the list is to be read by everybody, on every screen', async ({ signedInPage: page, api }) => {
  const names = (await good(api.client.GET('/api/v1/admins'))).items.map(({ name }) => name);
  if (!names.includes('sven')) await api.createAdmin('sven', { role: 'viewer' });
  await page.goto('/administrators');
  await expect(page.getByRole('row', { name: /^sven/ })).toBeVisible();
  await screenshot(page, 'administrators');
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
});

test('a provider is tried, named, kept with its secret, and forgotten', async ({
  signedInPage: page,
  api,
}) => {
  // Axe and pictures in one test.
  test.setTimeout(180_000);
  const provider = createServer((request, response) => {
    const { port } = provider.address() as AddressInfo;
    const issuer = `http://127.0.0.1:${port}/staff`;
    response.setHeader('content-type', 'application/json');
    if (request.url === '/staff/.well-known/openid-configuration') {
      response.end(
        JSON.stringify({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          code_challenge_methods_supported: ['S256'],
        }),
      );
      return;
    }
    response.end(JSON.stringify({ keys: [] }));
  });
  await new Promise<void>((listens) => provider.listen(0, '127.0.0.1', listens));
  const { port } = provider.address() as AddressInfo;
  try {
    await page.goto('/administrators?view=provider');
    await expect(page.getByRole('heading', { name: 'No provider is named' })).toBeVisible();
    await expectNoSeriousAxe(page);
    await page.getByRole('button', { name: 'Name a provider' }).click();
    await expect(page.getByLabel('Redirect URI', { exact: true })).toHaveText(
      `${api.adminUrl}/api/v1/session/oidc/callback`,
    );
    await page.getByLabel('Issuer').fill('http://idp.example.com');
    await page.getByLabel('Client ID').fill('countersign');
    await page.getByLabel(/^Client secret/).fill('provider-Secret-1');
    await page.getByRole('button', { name: 'Add a line' }).click();
    await page.getByLabel('Group, line 1').fill('netops');
    await page.getByRole('button', { name: 'Test' }).click();
    await expect(page.getByLabel('Issuer')).toBeFocused();
    await expect(page.getByLabel('Issuer')).toHaveAttribute('aria-invalid', 'true');
    await page.getByLabel('Issuer').fill(`http://127.0.0.1:${port}/other`);
    await page.getByRole('button', { name: 'Test' }).click();
    await expect(page.getByRole('alert')).toContainText('Request');
    await page.getByLabel('Issuer').fill(`http://127.0.0.1:${port}/staff`);
    await page.getByRole('button', { name: 'Test' }).click();
    await expect(page.getByText('The provider answers')).toBeVisible();
    expect((await api.client.GET('/api/v1/oidc')).response.status).toBe(404);
    await toTop(page);
    await screenshot(page, 'administrators-provider');
    await expectNoSeriousAxe(page);

    await page.getByRole('button', { name: 'Save' }).click();
    await expect(
      page.getByText(`Administrators can sign in at http://127.0.0.1:${port}/staff`).first(),
    ).toBeVisible();
    await expect(page.getByLabel(/^Client secret/)).toHaveValue('');
    const before = await good(api.client.GET('/api/v1/oidc'));
    expect(before.roles).toEqual([{ group: 'netops', role: 'viewer' }]);

    // A change without the secret keeps it.
    await page.getByLabel('Groups claim').fill('roles');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();
    const after = await good(api.client.GET('/api/v1/oidc'));
    expect(after.groups_claim).toBe('roles');
    expect(after.client_secret).toEqual(before.client_secret);

    // Nor does the same one, typed again, stay in the page.
    await page.getByLabel(/^Client secret/).fill('provider-Secret-1');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByLabel(/^Client secret/)).toHaveValue('');
    await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();

    // What is typed is not lost by a link.
    await page.getByLabel('Client ID').fill('another');
    await page.getByRole('link', { name: 'Tokens' }).click();
    await page.getByRole('dialog').getByText('Stay', { exact: true }).click();
    await expect(page.getByLabel('Client ID')).toHaveValue('another');

    await page.getByRole('button', { name: 'Forget the provider' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Forget the provider' }).click();
    await expect(page.getByRole('heading', { name: 'No provider is named' })).toBeVisible();
    expect((await api.client.GET('/api/v1/oidc')).response.status).toBe(404);
  } finally {
    provider.closeAllConnections();
    provider.close();
  }
});

test('who may not is told why', async ({ context, page, api }) => {
  const vera = await api.createAdmin('vera', { role: 'viewer' });
  await signInBrowser(context, await api.as('nobody').signIn(vera));
  for (const path of ['/administrators', '/tokens']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { name: 'This is for the role admin' })).toBeVisible();
    await expect(page.getByText('with the role viewer')).toBeVisible();
    await expectNoSeriousAxe(page);
  }
});
