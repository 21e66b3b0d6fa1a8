/** Signing in through the provider's button: in, refused with the reason and the way on, and out again. */

import type { BrowserContext, Page } from '@playwright/test';
import { type Api, COOKIE, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import type { Faults } from './harness/csp.ts';
import { fromDist } from './harness/dist.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { Provider } from './harness/provider.ts';
import { expectNoSidewaysScroll } from './harness/shots.ts';

const BUTTON = { name: 'Sign in at your provider' };

let provider: Provider;

test.beforeAll(async () => {
  provider = await Provider.start();
  provider.people.set('Dora', {
    sub: 's-17',
    email: 'dora@example.com',
    email_verified: true,
    groups: ['staff', 'netops'],
  });
  provider.people.set('Eve', {
    sub: 's-18',
    email: 'eve@example.com',
    email_verified: true,
    groups: ['staff'],
  });
});

test.afterAll(() => provider.stop());

/** Makes the provider known. Whoever signed in there before is signed out, if it is anything new. */
async function name(api: Api, settings: ReturnType<Provider['settings']>): Promise<void> {
  await good(api.client.PUT('/api/v1/oidc', { params: { query: {} }, body: settings }));
}

/** Goes to the provider by the button, and comes back as one of its people, or as nobody. */
async function goAs(page: Page, who: string): Promise<void> {
  await page.getByRole('button', BUTTON).click();
  await expect(page).toHaveURL((url) => url.origin === provider.issuer);
  await page.getByRole('link', { name: who }).click();
}

/** A person is meant to be sent there; nothing of a page of ours asks it anything. */
function leave(faults: Faults): void {
  const there = faults.take(/^another origin was asked: /);
  expect(there.length).toBeGreaterThan(0);
  for (const one of there) expect(one).toContain(`${provider.issuer}/authorize?`);
}

const sessionOf = async (context: BrowserContext) =>
  (await context.cookies()).find((cookie) => cookie.name === COOKIE);

test('a provider that is away is said at its button', async ({ page, api, gateway }) => {
  const gone = await Provider.start();
  await name(api, gone.settings(gateway.adminUrl));
  await gone.stop();
  await page.goto('/sign-in');
  await page.getByRole('button', BUTTON).click();
  const alert = page.getByRole('alert').filter({ hasText: 'The provider cannot be asked' });
  await expect(alert).toContainText('the provider was asked in vain');
  await expect(page).toHaveURL(/\/sign-in$/);
  // There is another way in.
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeEnabled();
  await expectNoSeriousAxe(page);
});

test('a person of the provider signs in and out, by keyboard alone', async ({
  page,
  context,
  api,
  gateway,
  faults,
}) => {
  await name(api, provider.settings(gateway.adminUrl));
  await page.goto('/logins');
  await expect(page).toHaveURL(/\/sign-in/);
  await expectNoSeriousAxe(page);
  await tabTo(page, 'button', BUTTON.name);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL((url) => url.origin === provider.issuer);
  await page.getByRole('link', { name: 'Dora' }).focus();
  await page.keyboard.press('Enter');

  // The first page has the session, though the way to it began at another site.
  const account = page.getByRole('button', { name: 'Account: oidc dora@example.com' });
  await expect(account).toBeVisible();
  // With the pages of dist/, what follows a redirect is the program's own page, which may be older.
  if (fromDist) await page.goto('/');
  // And it is the page that was wanted, once.
  await expect(page).toHaveURL(`${gateway.adminUrl}/logins`);
  await page.getByRole('link', { name: 'Overview' }).click();
  await expect(page).toHaveURL(`${gateway.adminUrl}/`);
  expect(await sessionOf(context)).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  expect(provider.refused).toEqual([]);
  await page.reload();
  await expect(account).toBeVisible();
  const session = await sessionOf(context);
  const dora = api.as({ session: session?.value ?? '' });
  expect(await good(dora.client.GET('/api/v1/session'))).toEqual({
    caller: 'oidc dora@example.com',
    role: 'operator',
  });

  await tabTo(page, 'button', 'Account: oidc dora@example.com');
  await page.keyboard.press('Enter');
  await expect(page.getByText('role operator')).toBeVisible();
  // Keys are the menu's from when it has the focus.
  const menu = page.getByRole('menu');
  await expect.poll(() => menu.evaluate((one) => one.contains(document.activeElement))).toBe(true);
  await page.keyboard.press('End');
  await expect(page.getByRole('menuitem', { name: 'Sign out' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Sign in', exact: true })).toBeVisible();
  expect(await sessionOf(context)).toBeUndefined();
  await expect(good(dora.client.GET('/api/v1/session'))).rejects.toThrow(/^401/);
  // Nor does the way back lead in again.
  await page.goBack();
  await expect(page.getByRole('button', BUTTON)).toBeVisible();
  await page.goto('/logins');
  await expect(page.getByRole('button', BUTTON)).toBeVisible();
  const audit = await good(api.client.GET('/api/v1/audit', { params: { query: { limit: 3 } } }));
  expect(audit.items.map(({ actor, action }) => `${actor}: ${action}`)).toEqual([
    'oidc dora@example.com: session.delete',
    'oidc dora@example.com: session.create',
    'admin nora: oidc.change',
  ]);
  leave(faults);
});

test('whom nobody let in is told so, with an id that the log has, and can begin again', async ({
  page,
  context,
  api,
  gateway,
  faults,
}) => {
  await name(api, provider.settings(gateway.adminUrl));
  await page.goto('/sign-in');
  await goAs(page, 'Eve');
  const alert = page.getByRole('alert').filter({ hasText: 'You are not signed in' });
  await expect(alert).toContainText('nobody with your name and groups is let in');
  await expect(page).toHaveURL(/\/sign-in\?provider=unauthenticated&request=[\w-]+$/);
  expect(await sessionOf(context)).toBeUndefined();
  const request = new URL(page.url()).searchParams.get('request') ?? '';
  await expect(alert).toContainText(`Request ${request}`);
  const line = gateway
    .logText()
    .split('\n')
    .find((one) => one.includes(request));
  expect(line, 'what the log has under this id').toMatch(/sign-in at the provider failed.*role/);
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSidewaysScroll(page);

  // Somebody else begins from there.
  await goAs(page, 'Dora');
  await expect(page.getByRole('button', { name: 'Account: oidc dora@example.com' })).toBeVisible();
  leave(faults);
});

test('who cancelled there, or comes back twice, begins again', async ({ page, api, gateway, faults }) => {
  await name(api, provider.settings(gateway.adminUrl));
  await page.goto('/sign-in');
  await goAs(page, 'Cancel');
  const alert = page.getByRole('alert').filter({ hasText: 'You are not signed in' });
  await expect(alert).toContainText('The provider refused');
  await expect(alert).toContainText('Begin again');
  await expect(page).toHaveURL(/\/sign-in\?provider=bad-request&/);

  await page.getByRole('button', BUTTON).click();
  const back = await page.getByRole('link', { name: 'Dora' }).getAttribute('href');
  await page.getByRole('link', { name: 'Dora' }).click();
  const account = page.getByRole('button', { name: 'Account: oidc dora@example.com' });
  await expect(account).toBeVisible();
  // The address of the way back, from the history or a bookmark.
  await page.goto(back ?? '');
  await expect(page).toHaveURL(/\/sign-in\?provider=bad-request&/);
  await expect(alert).toBeVisible();
  await page.goto('/');
  await expect(account).toBeVisible();
  leave(faults);
});

test('what the provider’s settings say anew holds at once', async ({ page, api, gateway, faults }) => {
  const settings = provider.settings(gateway.adminUrl);
  await name(api, settings);
  await page.goto('/sign-in');
  await goAs(page, 'Dora');
  await expect(page.getByRole('button', { name: 'Account: oidc dora@example.com' })).toBeVisible();
  await name(api, { ...settings, roles: [{ group: 'nobody', role: 'operator' }] });
  // The page may have noticed by itself already.
  await page.goto('/revisions');
  await expect(page.getByRole('button', BUTTON)).toBeVisible();
  await goAs(page, 'Dora');
  await expect(page.getByRole('alert').filter({ hasText: 'You are not signed in' })).toBeVisible();
  await good(api.client.DELETE('/api/v1/oidc', { params: { query: {} } }));
  await page.goto('/sign-in');
  await expect(page.getByRole('heading', { name: 'Sign in', exact: true })).toBeVisible();
  await expect(page.getByLabel('Name')).toBeVisible();
  await expect(page.getByRole('button', BUTTON)).toBeHidden();
  leave(faults);
});
