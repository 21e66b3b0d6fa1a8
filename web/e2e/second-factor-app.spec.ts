/** The approval app on a phone: each answer on it is proved by a real login. */

import type { Browser, Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { Phone } from './harness/phone.ts';
import { login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { expectNoSidewaysScroll, screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

/** A user with a phone that nothing binds yet: where to bind it. */
async function addressOf(api: Api, name: string): Promise<string> {
  const made = await api.createUser({
    name,
    devices: [
      { kind: 'phone', name: 'Pixel', number: '', capabilities: { push: true, phone: false, sms: false } },
    ],
  });
  return made.devices[0]?.approval_url ?? '';
}

/** A phone that was bound by its person. */
async function bound(browser: Browser, address: string, transport?: 'usb'): Promise<Phone> {
  const phone = await Phone.open(browser, address, transport);
  await phone.page.goto(address);
  await phone.page.getByRole('button', { name: 'Set up this device' }).click();
  await expect(phone.page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible();
  return phone;
}

/** A login at a VPN that waits for the phone. */
const logIn = (sample: Sample, user: string, from = '198.51.100.7') =>
  login({
    port: sample.ports.auto,
    secret: sample.secret,
    user,
    patience: 70,
    attributes: [['Calling-Station-Id', `'${from}'`]],
  });

/** The one that there is. */
function only<T>(all: T[]): T {
  const [one, ...more] = all;
  if (one === undefined || more.length > 0) {
    throw new Error(`${all.length} in place of one`);
  }
  return one;
}

const card = (page: Page) => page.getByRole('listitem');
const button = (page: Page, name: string) => card(page).getByRole('button', { name });

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
  await expectNoSidewaysScroll(page);
}

test('a phone is bound once, shows a login, and approves it', async ({ api, browser, sample }) => {
  const address = await addressOf(api, 'anna');
  const phone = await Phone.open(browser, address);
  const { page } = phone;
  await page.goto(address);
  await expect(page.getByText('For anna.')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'app-bind');
  await page.getByRole('button', { name: 'Set up this device' }).click();
  await expect(page.getByText('this device approves your logins now')).toBeVisible();
  await expect(page).toHaveURL(/\/app\/$/);
  expect(await phone.passkeys()).toHaveLength(1);
  await expectFit(page);
  await screenshot(page, 'app-nothing');

  const answer = logIn(sample, 'anna');
  await expect(page.getByRole('heading', { name: 'Is this you?' })).toBeVisible();
  await expect(card(page)).toContainText('198.51.100.7');
  await expect(card(page)).toContainText('anna');
  await expect(card(page)).toContainText('radius_server_auto');
  await expect(card(page)).toContainText(/\d+ seconds? left/);
  await expect(page).toHaveTitle('(1) Countersign');
  await expectFit(page);
  await screenshot(page, 'app-login');
  await button(page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  await expect(page.getByText('Approved: radius_server_auto.')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible();

  // The address was good once: for another phone it is none.
  const other = await Phone.open(browser, address);
  await other.page.goto(address);
  await expect(other.page).toHaveURL(/\/app\/$/);
  await expect(other.page.getByRole('button', { name: 'Sign in with your passkey' })).toBeVisible();
  await other.close();
  await phone.close();
});

test('a login is denied, or reported as fraud', async ({ api, browser, sample }) => {
  const phone = await bound(browser, await addressOf(api, 'bert'));
  const { page } = phone;
  for (const [name, told] of [
    ['Deny', 'Denied: radius_server_auto.'],
    ['This was not me', 'Denied and reported: radius_server_auto.'],
  ] as const) {
    const answer = logIn(sample, 'bert');
    await button(page, name).click();
    expect((await answer).code).toBe('Access-Reject');
    await expect(page.getByText(told)).toBeVisible();
    await expect(card(page)).toHaveCount(0);
  }
  const told = async () => {
    const found = await good(api.client.GET('/api/v1/events', { params: { query: { user: 'bert' } } }));
    return JSON.stringify(found);
  };
  await expect.poll(told).toContain('fraud');
  await phone.close();
});

test('who does not unlock the phone approves nothing', async ({ api, browser, sample }) => {
  const phone = await bound(browser, await addressOf(api, 'cleo'));
  const { page } = phone;
  await phone.unlocks(false);
  const answer = logIn(sample, 'cleo');
  await button(page, 'Approve').click();
  await expect(page.getByRole('alert')).toContainText('That was not confirmed');
  await expect(card(page)).toBeVisible();
  await phone.unlocks(true);
  await button(page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  await phone.close();
});

test('a copied cookie sees and denies, and cannot approve', async ({ api, browser, sample }) => {
  const address = await addressOf(api, 'dora');
  const phone = await bound(browser, address);
  const thief = await bound(browser, await addressOf(api, 'mallory'));
  const cookie = only((await phone.context.cookies()).filter(({ name }) => name.startsWith('__Host-')));
  expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Strict', path: '/' });
  await thief.context.clearCookies();
  await thief.context.addCookies([cookie]);
  await thief.page.reload();
  const answer = logIn(sample, 'dora');
  await expect(card(thief.page)).toContainText('dora');
  await button(thief.page, 'Approve').click();
  await expect(thief.page.getByRole('alert')).not.toBeEmpty();

  // Nor does what another passkey signed, however it is sent.
  const refused = await thief.page.evaluate(async () => {
    const say = async (path: string, body: unknown) => {
      const response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return { status: response.status, said: await response.json() };
    };
    const { waiting } = await (await fetch('/app/waiting')).json();
    const { txid } = waiting[0];
    const { get } = await import(`${location.origin}/assets/webauthn.js`);
    const { said: options } = await say('/app/approve/options', { txid });
    const response = await get({ ...options, allowCredentials: [] });
    return say('/app/approve', { txid, response });
  });
  expect(refused).toMatchObject({ status: 403, said: { error: 'unknown_passkey' } });
  await expect(card(phone.page)).toBeVisible();
  await button(phone.page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  await thief.close();
  await phone.close();
});

test('a copy of a passkey is noticed', async ({ api, browser, sample }) => {
  const address = await addressOf(api, 'emil');
  const phone = await bound(browser, address);
  const passkey = only(await phone.passkeys());
  const answer = logIn(sample, 'emil');
  await button(phone.page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  const copy = await Phone.open(browser, address);
  // It signs in with a number that was there already.
  await copy.implant({ ...passkey, signCount: 0 });
  await copy.page.goto(new URL('/app/', address).href);
  await copy.page.getByRole('button', { name: 'Sign in with your passkey' }).click();
  await expect(copy.page.getByRole('alert')).toContainText('there may be a copy of it');
  await copy.close();
  await phone.close();
});

test('without its cookie a phone signs in again, and signs out', async ({ api, browser, sample }) => {
  const address = await addressOf(api, 'frida');
  const phone = await bound(browser, address);
  const { page } = phone;
  await phone.context.clearCookies();
  await page.goto(new URL('/app', address).href);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'app-sign-in');
  await page.getByRole('button', { name: 'Sign in with your passkey' }).click();
  await expect(page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible();
  await expect(page.locator('header')).toContainText('frida');
  // A login that began while nobody looked is there at once.
  await page.goto('about:blank');
  const answer = logIn(sample, 'frida');
  await page.goto(new URL('/app/', address).href);
  await button(page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByText('You are signed out here.')).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await phone.close();
});

test('a page that lost its network finds back', async ({ api, browser, sample }) => {
  const phone = await bound(browser, await addressOf(api, 'gero'));
  const { page } = phone;
  await phone.context.setOffline(true);
  await expect(page.getByText('No connection.')).toBeVisible({ timeout: 60_000 });
  const answer = logIn(sample, 'gero');
  await phone.context.setOffline(false);
  await button(page, 'Approve').click();
  expect((await answer).code).toBe('Access-Accept');
  await expect(page.getByText('No connection.')).toBeHidden();
  await phone.close();
});

test('an address that is none says so', async ({ api, browser }) => {
  const address = await addressOf(api, 'hugo');
  const phone = await Phone.open(browser, address);
  const answer = await phone.page.goto(`${address.slice(0, -4)}AAAA`);
  expect(answer?.status()).toBe(404);
  await expect(phone.page.getByRole('heading', { name: 'Not here' })).toBeVisible();
  await expectFit(phone.page);
  await phone.close();
});
