/** The enrolment portal in a browser, from the link to a login with what was set up. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, expect as expectOf, type Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 180_000 });

/** The link of a new user. */
async function invite(api: Api, name: string): Promise<string> {
  await api.createUser({ name });
  const made = await good(
    api.client.POST('/api/v1/second-factor/users/{name}/enroll', {
      params: { path: { name } },
      body: { by_email: false, valid_seconds: null },
    }),
  );
  return (made as { url: string }).url;
}

/** A browser that is not the administrator's; its gateway's authority is not in any machine's list. */
async function elsewhere(browser: Browser, options: { phone: boolean }): Promise<Page> {
  const phone = {
    userAgent:
      'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36',
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  };
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...(options.phone ? phone : {}) });
  const page = await context.newPage();
  const refused: string[] = [];
  page.on('console', (message) => {
    if (/content.security.policy/i.test(message.text())) refused.push(message.text());
  });
  page.on('close', () => expectOf(refused, 'the page holds to its policy').toEqual([]));
  return page;
}

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

test('an authenticator app is set up on a computer, and its next passcode logs in', async ({
  api,
  browser,
  sample,
  totp,
}) => {
  const page = await elsewhere(browser, { phone: false });
  const url = await invite(api, 'grace');
  expect(url).toMatch(/\/e\/[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/);

  // Typed, as from a prompt that cannot be clicked.
  await page.goto(new URL('/e', url).href);
  await page.getByLabel('Code').fill('K7QM');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByRole('alert')).toContainText('That is no code');
  await expectFit(page);
  const code = url.split('/').at(-1) ?? '';
  await page.getByLabel('Code').fill(code.replaceAll('-', ' ').toLowerCase());
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page).toHaveURL(url);
  await expect(page.getByText('This is for grace.')).toBeVisible();
  await expect(page.getByText('within the next 24 hours')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'portal-choices');

  await page.getByRole('link', { name: /Authenticator app/ }).click();
  await expect(page.getByRole('img', { name: /Code to scan/ })).toBeVisible();
  await page.getByText('I cannot scan it').click();
  const secret = ((await page.locator('code.key').textContent()) ?? '').replaceAll(' ', '');
  await page.getByLabel('Type the six digits').fill('000000');
  await page.getByLabel('Name of this app').fill('Aegis');
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByRole('alert')).toContainText('not the digits of this key');
  await expect(page.getByLabel('Name of this app')).toHaveValue('Aegis');
  await expectFit(page);
  await screenshot(page, 'portal-app');
  await page.getByLabel('Type the six digits').fill(await totp(secret));
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('Aegis is set up.')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'portal-done');

  const grace = { port: sample.ports.auto, secret: sample.secret, user: 'grace' };
  const accepted = await login({ ...grace, password: `anything,${await totp(secret)}` });
  expect(accepted.code).toBe('Access-Accept');
  // The link is used up.
  await page.goto(url);
  await expect(page.getByRole('heading', { name: 'Not here' })).toBeVisible();
  await expectFit(page);
  await page.context().close();
});

/** A machine with a passkey store, unlocked by whoever is there. */
async function withPasskeys(page: Page, transport: 'internal' | 'usb'): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport,
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
}

test('a phone is bound on the page of its link, and signs in to its own devices', async ({
  api,
  browser,
  totp,
}) => {
  const phone = await elsewhere(browser, { phone: true });
  await withPasskeys(phone, 'internal');
  await phone.goto(await invite(api, 'ivan'));
  await expectFit(phone);
  await screenshot(phone, 'portal-choices-phone');
  await phone.getByRole('link', { name: /Approve on this phone/ }).click();
  await phone.getByLabel('Its name').fill('Pixel');
  await expectFit(phone);
  await screenshot(phone, 'portal-phone');
  await phone.getByRole('button', { name: 'Set it up' }).click();
  await expect(phone.getByText('Pixel is set up.')).toBeVisible();
  await expectFit(phone);
  await screenshot(phone, 'portal-phone-done');

  // A second device, by the same walk.
  await phone.getByRole('button', { name: 'Add another device' }).click();
  await expect(phone.getByText('This is for ivan.')).toBeVisible();
  await phone.getByRole('link', { name: /Authenticator app/ }).click();
  await expect(phone.getByRole('link', { name: 'Open my authenticator app' })).toBeVisible();
  await phone.getByText('I cannot scan it').click();
  const secret = ((await phone.locator('code.key').textContent()) ?? '').replaceAll(' ', '');
  await phone.getByLabel('Type the six digits').fill(await totp(secret));
  await phone.getByRole('button', { name: 'Confirm' }).click();
  await phone.getByRole('link', { name: 'See my devices' }).click();
  await expect(phone.getByRole('link', { name: /Pixel/ })).toBeVisible();
  await expect(phone.getByRole('link', { name: /Authenticator app/ })).toBeVisible();
  await expectFit(phone);
  await screenshot(phone, 'me-devices');
  await phone.getByRole('button', { name: 'Sign out', exact: true }).click();

  // Back with the passkey, and with a passcode.
  await expectFit(phone);
  await screenshot(phone, 'me-sign-in');
  await phone.getByRole('button', { name: 'Sign in with a passkey' }).click();
  await expect(phone.getByRole('heading', { name: 'My devices' })).toBeVisible();
  await phone.getByRole('button', { name: 'Sign out', exact: true }).click();
  await phone.getByLabel('Name').fill('ivan');
  await phone.getByLabel('Passcode').fill('000000');
  await phone.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(phone.getByRole('alert').first()).toContainText('That did not work');
  await expectFit(phone);
  await phone.getByLabel('Name').fill('ivan');
  await phone.getByLabel('Passcode').fill(await totp(secret));
  await phone.getByRole('button', { name: 'Sign in', exact: true }).click();
  await phone.getByRole('link', { name: /Authenticator app/ }).click();
  await expectFit(phone);
  await screenshot(phone, 'me-device');
  await phone.getByRole('button', { name: 'Remove this device' }).click();
  await expect(phone.getByRole('heading', { name: 'My devices' })).toBeVisible();
  await expect(phone.getByRole('link', { name: /Authenticator app/ })).toBeHidden();
  await phone.getByRole('link', { name: /Pixel/ }).click();
  await expect(phone.getByText('This is your last device.')).toBeVisible();
  await expectFit(phone);
  await phone.context().close();
});

test('a security key is bound on a computer, and approves a login', async ({
  api,
  browser,
  sample,
  signedInPage,
}) => {
  const page = await elsewhere(browser, { phone: false });
  await page.goto(await invite(api, 'judy'));
  await page.getByRole('link', { name: /Security key/ }).click();
  await expectFit(page);
  await withPasskeys(page, 'usb');
  await page.getByRole('button', { name: 'Set it up' }).click();
  await expect(page.getByText('Security key is set up.')).toBeVisible();
  await page.getByRole('link', { name: 'Open my approvals' }).click();
  await expect(page.getByRole('heading', { name: 'Nothing waits' })).toBeVisible();

  const answer = login({ port: sample.ports.auto, secret: sample.secret, user: 'judy', patience: 70 });
  await page.getByRole('listitem').getByRole('button', { name: 'Approve' }).click();
  expect((await answer).code).toBe('Access-Accept');
  await page.context().close();
  const { devices } = await good(
    api.client.GET('/api/v1/second-factor/users/{name}', { params: { path: { name: 'judy' } } }),
  );
  expect(devices).toMatchObject([{ kind: 'security_key', bound: true }]);
  await signedInPage.goto('/second-factor/users/judy');
  await expect(signedInPage.getByRole('region', { name: 'Devices' })).toContainText('bound by a passkey');
});

test('a computer hands over to the phone', async ({ api, browser }) => {
  const url = await invite(api, 'heidi');
  const computer = await elsewhere(browser, { phone: false });
  await computer.goto(url);
  await computer.getByRole('link', { name: /Approve on my phone/ }).click();
  await expect(computer.getByRole('img', { name: /Code to scan/ })).toBeVisible();
  await expect(computer.getByText(url)).toBeVisible();
  await expectFit(computer);
  await screenshot(computer, 'portal-scan');
  await computer.context().close();
});

/** A gateway for SMS on this machine, which keeps what it is to send. */
async function smsGateway(): Promise<{ url: string; texts: string[]; close: () => void }> {
  const texts: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += String(part);
    });
    request.on('end', () => {
      texts.push(new URLSearchParams(body).get('Body') ?? '');
      response.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, texts, close: () => server.close() };
}

/** The code of the newest message, of which there are so many. */
async function newest(texts: string[], count: number): Promise<string> {
  await expectOf.poll(() => texts.length).toBe(count);
  return /\d{7}/.exec(texts.at(-1) ?? '')?.[0] ?? '';
}

test('a number is confirmed by the code that is sent there, and gets passcodes', async ({
  api,
  browser,
  sample,
}) => {
  const gateway = await smsGateway();
  await good(
    api.client.PATCH('/api/v1/second-factor/delivery', {
      body: {
        sms: {
          set: { url: gateway.url, format: 'form', fields: { To: '{number}', Body: '{text}' } },
        },
      },
    }),
  );
  const phone = await elsewhere(browser, { phone: true });
  await phone.goto(await invite(api, 'karl'));
  await screenshot(phone, 'portal-choices-sms');
  await phone.getByRole('link', { name: /Passcodes by SMS/ }).click();
  await expectFit(phone);
  await screenshot(phone, 'portal-sms');
  await phone.getByLabel('Telephone number').fill('call me');
  await phone.getByRole('button', { name: 'Send me a code' }).click();
  await expect(phone.getByRole('alert')).toContainText('3 to 15 digits');
  await expectFit(phone);
  await phone.getByLabel('Telephone number').fill('+1 734 555 4788');
  await phone.getByRole('button', { name: 'Send me a code' }).click();
  await expect(phone.getByRole('status')).toContainText('+17345554788');
  const first = await newest(gateway.texts, 1);
  await phone.getByRole('button', { name: 'Send another code' }).click();
  const second = await newest(gateway.texts, 2);
  await phone.getByLabel('Code').fill(first);
  await phone.getByLabel('Its name').fill('Desk');
  await phone.getByRole('button', { name: 'Confirm' }).click();
  await expect(phone.getByRole('alert')).toContainText('not the code of the newest message');
  await expect(phone.getByLabel('Its name')).toHaveValue('Desk');
  await expectFit(phone);
  await screenshot(phone, 'portal-sms-code');
  await phone.getByLabel('Code').fill(second);
  await phone.getByRole('button', { name: 'Confirm' }).click();
  await expect(phone.getByText('Desk is set up.')).toBeVisible();
  await expectFit(phone);
  await screenshot(phone, 'portal-sms-done');
  await phone.context().close();

  const karl = { port: sample.ports.auto, secret: sample.secret, user: 'karl' };
  const refused = await login({ ...karl, password: 'anything,sms' });
  expect(refused.code).toBe('Access-Reject');
  const passcode = await newest(gateway.texts, 3);
  const accepted = await login({ ...karl, password: `anything,${passcode}` });
  expect(accepted.code).toBe('Access-Accept');
  gateway.close();
});
