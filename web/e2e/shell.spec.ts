/** What all pages share: the way around by keyboard, small screens, colours, roles, and faults from outside. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page, Response } from '@playwright/test';
import { type Api, good, type Schemas } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { expectFocusRing } from './harness/keyboard.ts';
import { login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { expectNoSidewaysScroll } from './harness/shots.ts';

const NARROW = { width: 360, height: 800 };

/** The routes of the dashboard, as its router has them: none is forgotten. */
const routes = [
  ...readFileSync(resolve(import.meta.dirname, '../src/router.tsx'), 'utf8').matchAll(
    /(?:\bat\(\s*|\bpath: )'([^']+)'/g,
  ),
].map(([, path]) => path ?? '');

/** Those that are for nobody in particular. */
const OPEN = ['/setup', '/invitation', '/sign-in'];
const inside = routes.filter((path) => !OPEN.includes(path));

/** The addresses of things that are there, for routes with a parameter. */
async function addressOf(path: string, api: Api, sample: Sample): Promise<string> {
  switch (path) {
    case '/logins/$id': {
      await login({ port: sample.ports.auto, secret: sample.secret, user: 'alice' });
      const { id } = await api.waitForEvent({ user: 'alice' });
      return `/logins/${id}`;
    }
    case '/integrations/$id':
      return '/integrations/radius_server_auto';
    case '/authenticators/$id': {
      const { items } = await good(api.client.GET('/api/v1/authenticators'));
      return `/authenticators/${items[0]?.id}`;
    }
    case '/drafts/$id': {
      const made = await good(api.client.POST('/api/v1/drafts', { body: { message: 'to be looked at' } }));
      return `/drafts/${(made as Schemas['Draft']).id}`;
    }
    case '/revisions/$number':
      return '/revisions/1';
    case '/nodes/$node': {
      const { items } = await good(api.client.GET('/api/v1/nodes'));
      return `/nodes/${items[0]?.node}`;
    }
    case '/second-factor/users/$name':
      return '/second-factor/users/alice';
    default:
      if (path.includes('$')) throw new Error(`say here what ${path} is an address of`);
      return path;
  }
}

/** Opens a page, and fails where it has not come to rest with a heading of its own. */
async function visit(page: Page, address: string): Promise<void> {
  await page.goto(address);
  const heading = page.getByRole('heading', { level: 1 });
  await expect(heading, `${address} has one heading`).toHaveCount(1);
  await expect(heading).not.toHaveText(/Something went wrong|No such page/);
  await expect(page.getByRole('status', { name: 'Loading' })).toHaveCount(0);
}

/** Collects answers that refuse: a page asks for nothing that its reader may not see. */
function refusals(page: Page): string[] {
  const found: string[] = [];
  page.on('response', (response: Response) => {
    if (response.status() === 403) found.push(`${response.request().method()} ${response.url()}`);
  });
  return found;
}

test('the router is read whole', () => {
  expect(routes.length).toBeGreaterThan(25);
  expect(routes).toEqual(expect.arrayContaining([...OPEN, '/', '/audit', '/integrations/$id']));
});

for (const path of routes) {
  test(`the page ${path} loads without fault, and fits 360 px`, async ({
    signedInPage: page,
    api,
    sample,
  }) => {
    const address = await addressOf(path, api, sample);
    const refused = refusals(page);
    await visit(page, address);
    await page.setViewportSize(NARROW);
    await expectNoSidewaysScroll(page);
    expect(refused).toEqual([]);
  });
}

test('all pages are reached by keyboard alone, and each begins at its content', async ({
  signedInPage: page,
}) => {
  await visit(page, '/');
  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'To the content' });
  await expect(skip).toBeFocused();
  await expectFocusRing(page, skip);
  await page.keyboard.press('Enter');
  const main = page.getByRole('main');
  await expect(main).toBeFocused();

  const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link');
  const names = await links.allTextContents();
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) {
    const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true });
    const address = await link.getAttribute('href');
    // The navigation stands before the content: back to it.
    for (let presses = 0; presses < 40; presses += 1) {
      if (await link.evaluate((node) => node === document.activeElement)) break;
      await page.keyboard.press('Shift+Tab');
    }
    await expectFocusRing(page, link);
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL((url) => url.pathname === address);
    await expect(link).toHaveAttribute('aria-current', 'page');
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    // The first page was open already; the focus stays on its link.
    if (address !== '/') await expect(main).toBeFocused();
  }
});

test('on a small screen the navigation opens, leads on, and closes', async ({ signedInPage: page }) => {
  await page.setViewportSize(NARROW);
  await visit(page, '/audit');
  const navigation = page.getByRole('navigation', { name: 'Pages' });
  const open = page.getByRole('button', { name: 'Open the navigation' });
  await expect(open).toHaveAttribute('aria-expanded', 'false');
  await expect(navigation.getByRole('link', { name: 'Nodes' })).not.toBeInViewport();
  await open.click();
  await expect(page.getByRole('button', { name: 'Close the navigation' })).toHaveAttribute(
    'aria-expanded',
    'true',
  );
  await expect(navigation.getByRole('link', { name: 'Nodes' })).toBeInViewport();
  await expectNoSeriousAxe(page);
  await navigation.getByRole('link', { name: 'Nodes' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Nodes' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Open the navigation' })).toBeVisible();
  await expect(navigation.getByRole('link', { name: 'Nodes' })).not.toBeInViewport();
});

test('the frame is to be read by everybody, in both colours', async ({ signedInPage: page }) => {
  await visit(page, '/account');
  await expectNoSeriousAxe(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoSeriousAxe(page);
  await page.getByRole('button', { name: 'Account: admin nora' }).click();
  await expect(page.getByRole('menuitem', { name: 'Sign out' })).toBeVisible();
  await expectNoSeriousAxe(page);
});

test('the colours that somebody chose are kept', async ({ signedInPage: page }) => {
  const scheme = page.locator('html');
  await visit(page, '/audit');
  await page.getByRole('button', { name: 'Colours are as the system; change to light' }).click();
  await expect(scheme).toHaveAttribute('data-mantine-color-scheme', 'light');
  await page.getByRole('button', { name: 'Colours are light; change to dark' }).click();
  await expect(scheme).toHaveAttribute('data-mantine-color-scheme', 'dark');
  await page.reload();
  await expect(scheme).toHaveAttribute('data-mantine-color-scheme', 'dark');
  await page.getByRole('button', { name: 'Colours are dark; change to as the system' }).click();
  await expect(scheme).toHaveAttribute('data-mantine-color-scheme', 'light');
  // It is all that stays in the browser.
  const kept = await page.evaluate(() => [
    Object.keys(localStorage),
    Object.keys(sessionStorage),
    document.cookie,
  ]);
  expect(kept).toEqual([
    ['mantine-color-scheme-value'],
    expect.not.arrayContaining([expect.stringMatching(/token|secret|session|passw/i)]),
    '',
  ]);
});

test('an address of no page says so, and leads on', async ({ signedInPage: page }) => {
  await page.goto('/nothing/is/here');
  await expect(page.getByRole('heading', { name: 'There is no page at this address' })).toBeVisible();
  await expectNoSeriousAxe(page);
  await page.getByRole('link', { name: 'To the overview' }).click();
  await expect(page).toHaveURL((url) => url.pathname === '/');
  await expect(page.getByRole('heading', { level: 1, name: 'Overview' })).toBeVisible();
});

test.describe('what happens outside of the page', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  test('a session that ended leads to the sign-in, and from there back', async ({
    signedInPage: page,
    gateway,
    api,
    totp,
  }) => {
    await visit(page, '/audit?action=token.create');
    await good(api.client.DELETE('/api/v1/session'));
    await page.reload();
    await expect(page).toHaveURL(/\/sign-in\?to=/);
    expect(new URL(page.url()).searchParams.get('to')).toContain('/audit');
    const nora = gateway.administrator;
    if (!nora) throw new Error('the gateway has no administrator');
    await page.getByLabel('Name').fill(nora.name);
    await page.getByLabel(/^Password/).fill(nora.password);
    await page.getByLabel(/^Passcode/).fill(await totp(nora.totpSecret));
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1, name: 'Audit' })).toBeVisible();
    await expect(page).toHaveURL(/\/audit\?action=token\.create$/);
  });

  test('one that ends while a page is open leads there too', async ({ signedInPage: page, api }) => {
    await visit(page, '/nodes');
    await good(api.client.DELETE('/api/v1/session'));
    // What the page asks by itself is refused then.
    await expect(page).toHaveURL(/\/sign-in\?to=/, { timeout: 20_000 });
  });

  test('what is not saved stays when a session ends, and a sign-out asks for it', async ({
    signedInPage: page,
    api,
  }) => {
    await visit(page, '/integrations/radius_server_auto');
    await page.getByRole('textbox', { name: 'Users without a second factor' }).click();
    await page.keyboard.type('root');
    await page.keyboard.press('Tab');
    await page.getByRole('button', { name: /^Account/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    const question = page.getByRole('dialog', { name: 'Sign out without saving?' });
    await question.getByRole('button', { name: 'Cancel' }).click();
    await expect(question).toBeHidden();

    await good(api.client.DELETE('/api/v1/session'));
    await expect(async () => {
      // The window is looked at again: then it asks.
      await page.evaluate(() => window.dispatchEvent(new Event('visibilitychange')));
      await expect(page.getByText('You are signed out')).toBeVisible({ timeout: 1_000 });
    }).toPass({ timeout: 30_000 });
    expect(new URL(page.url()).pathname).toBe('/integrations/radius_server_auto');
    await expect(page.getByRole('button', { name: 'Review the change' })).toBeEnabled();
    await expect(page.getByText('root', { exact: true })).toBeVisible();
  });

  test('a gateway that is away is said to be, and the page comes back with it', async ({
    signedInPage: page,
    gateway,
  }) => {
    await visit(page, '/nodes');
    const alert = page.getByRole('alert').filter({ hasText: /cannot be reached|does not answer/ });
    await gateway.suspend();
    await expect(alert.first()).toBeVisible({ timeout: 30_000 });
    await gateway.resume();
    await expect(alert).toHaveCount(0, { timeout: 30_000 });
    await expect(page.getByRole('heading', { level: 1, name: 'Nodes' })).toBeVisible();
  });
});

/** What changes something, by the words of its button or link, and which role may do it. */
const DEEDS: { wants: 'operator' | 'admin'; names: RegExp }[] = [
  {
    wants: 'admin',
    names:
      /^(New |Create |Invite|Revoke|Add (an? )?(integration|authenticator|client|device|node|line)|Save|Apply|Edit|Review|Discard|Delete (draft|integration|authenticator|client)|Remove (node|client|integration|authenticator)|Import|Bring in|Go back to|Roll back|Join|Make bypass|Approve|Switch off)/i,
  },
  { wants: 'operator', names: /^(Drain|Undrain|Try (a|the|this) login|Check|Disable|Enable|Unlock|Deny)/i },
];

for (const role of ['viewer', 'operator'] as const) {
  test(`all pages load for the role ${role}, and offer nothing that it may not`, async ({
    context,
    page,
    api,
    sample,
  }) => {
    test.setTimeout(180_000);
    const name = `all-${role}`;
    await signInBrowser(context, await api.as('nobody').signIn(await api.createAdmin(name, { role })));
    const refused = refusals(page);
    const offered: string[] = [];
    for (const path of inside) {
      await visit(page, await addressOf(path, api, sample));
      for (const { wants, names } of DEEDS) {
        if (wants === 'operator' && role === 'operator') continue;
        for (const kind of ['button', 'link'] as const) {
          const found = page.getByRole('main').getByRole(kind, { name: names, disabled: false });
          for (const one of await found.all()) {
            offered.push(
              `${path}: ${await one.evaluate((node) => node.getAttribute('aria-label') ?? node.textContent)}`,
            );
          }
        }
      }
    }
    expect(offered).toEqual([]);
    expect(refused).toEqual([]);
  });
}
