/** The approval app where a push needs a number, and where the service is away. */

import { type Browser, chromium, type Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { chromium as executablePath } from './harness/environment.ts';
import { expect, test } from './harness/fixtures.ts';
import { Phone } from './harness/phone.ts';
import { answerChallenge, login } from './harness/radius.ts';
import { expectNoSidewaysScroll, screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

/** A phone that its person, a new user, has bound. */
async function bound(api: Api, browser: Browser, name: string): Promise<Phone> {
  const { devices } = await api.createUser({
    name,
    devices: [
      { kind: 'phone', name: 'Pixel', number: '', capabilities: { push: true, phone: false, sms: false } },
    ],
  });
  const address = devices[0]?.approval_url ?? '';
  const phone = await Phone.open(browser, address);
  await phone.page.goto(address);
  await phone.page.getByRole('button', { name: 'Set up this device' }).click();
  await expect(phone.page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible();
  return phone;
}

const card = (page: Page) => page.getByRole('listitem');
const button = (page: Page, name: string) => card(page).getByRole('button', { name });

test.describe('with a policy that wants numbers', () => {
  test.beforeEach(async ({ api }) => {
    const body = { policy: { number_matching: 'always' as const } };
    await good(api.client.PUT('/api/v1/second-factor/policies/default', { body }));
  });
  test.afterEach(async ({ api }) => {
    await good(api.client.DELETE('/api/v1/second-factor/policies/default'));
  });

  test('the number of the prompt approves, and nothing else does', async ({
    api,
    browser,
    sample,
    signedInPage,
  }) => {
    const phone = await bound(api, browser, 'norma');
    const { page } = phone;
    const norma = { port: sample.ports.challenge, secret: sample.secret, user: 'norma', patience: 70 };
    const begin = async () => {
      const asked = await login(norma);
      const number = /type (\d{3}) on your phone/.exec(asked.replyMessage)?.[1] ?? '';
      expect(number, asked.replyMessage).not.toBe('');
      const answer = answerChallenge(norma, asked, '1');
      await expect(card(page)).toBeVisible();
      return { number, answer };
    };
    const typed = page.getByLabel('Type the number that your login shows');

    const right = await begin();
    // The phone does not know it.
    await expect(page.locator('body')).not.toContainText(right.number);
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await expectNoSeriousAxe(page);
    }
    await expectNoSidewaysScroll(page);
    await screenshot(page, 'app-number');
    // Without one, nothing is sent.
    await button(page, 'Approve').click();
    await expect(typed).toBeFocused();
    await expect(card(page)).toBeVisible();
    await typed.fill(right.number);
    await page.keyboard.press('Enter');
    expect((await right.answer).code).toBe('Access-Accept');
    await expect(page.getByText('Approved: radius_server_challenge.')).toBeVisible();

    const wrong = await begin();
    await typed.fill(wrong.number === '123' ? '321' : '123');
    await button(page, 'Approve').click();
    expect((await wrong.answer).code).not.toBe('Access-Accept');
    await expect(page.getByRole('alert')).not.toBeEmpty();
    await expect(card(page)).toHaveCount(0);
    await signedInPage.goto('/second-factor?tab=risk&q=norma');
    // Beside it lies the incident of the passkey that she made.
    await expect(signedInPage.getByRole('row', { name: /wrong number/ })).toContainText('norma');
    await phone.close();
  });

  test('a login is denied or reported without its number', async ({ api, browser, sample }) => {
    const phone = await bound(api, browser, 'nadja');
    const { page } = phone;
    const nadja = { port: sample.ports.challenge, secret: sample.secret, user: 'nadja', patience: 70 };
    for (const [name, told, reason] of [
      ['Deny', 'Denied: radius_server_challenge.', 'denied'],
      ['This was not me', 'Denied and reported: radius_server_challenge.', 'fraud'],
    ] as const) {
      const asked = await login(nadja);
      const answer = answerChallenge(nadja, asked, '1');
      await button(page, name).click();
      expect((await answer).code).not.toBe('Access-Accept');
      await expect(page.getByText(told)).toBeVisible();
      await expect(card(page)).toHaveCount(0);
      await expect
        .poll(async () =>
          JSON.stringify(
            await good(api.client.GET('/api/v1/events', { params: { query: { user: 'nadja' } } })),
          ),
        )
        .toContain(reason);
    }
    const { items } = await good(
      api.client.GET('/api/v1/second-factor/incidents', { params: { query: { user: 'nadja' } } }),
    );
    expect(items.map(({ kind }) => kind)).toContain('fraud');
    await phone.close();
  });
});

test.describe('while the service is away', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  test('the app opens from what it kept, says so, and approves when it is back', async ({
    api,
    gateway,
    sample,
  }) => {
    // A service worker is only installed where the browser trusts the certificate.
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--ignore-certificate-errors'],
    });
    try {
      const phone = await bound(api, browser, 'oswald');
      const { page } = phone;
      // From the page on which the phone was bound: notices can be asked for there.
      await page.evaluate(() => navigator.serviceWorker.ready);
      await expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);

      await gateway.suspend();
      await page.reload();
      await expect(page.getByText('No connection. This page tries again by itself.')).toBeVisible();
      // It is the app, and not the browser's own page; and no login was kept in it.
      await expect(page.getByRole('heading', { name: 'One moment' })).toBeVisible();
      await expect(card(page)).toHaveCount(0);
      await screenshot(page, 'app-away');

      await gateway.resume();
      await expect(page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible({ timeout: 30_000 });
      await expect(page.getByText('No connection.')).toBeHidden();
      const answer = login({
        port: sample.ports.auto,
        secret: sample.secret,
        user: 'oswald',
        patience: 70,
      });
      await button(page, 'Approve').click();
      expect((await answer).code).toBe('Access-Accept');
      await phone.close();
    } finally {
      await browser.close();
    }
  });
});
