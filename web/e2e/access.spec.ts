/** Who is let in: the set-up link, invitations, the sign-in, and one's own account. */

import type { Page } from '@playwright/test';
import { PASSWORD } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo, tabToElement } from './harness/keyboard.ts';
import { screenshot, toTop } from './harness/shots.ts';
import { totp } from './harness/totp.ts';

/** The secret that a page shows, as its QR code's text has it. */
async function shownSecret(page: Page): Promise<string> {
  await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
  return (await page.locator('code.mono').first().innerText()).replace(/\s/g, '');
}

async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

test.describe('a gateway that is nobody’s', () => {
  test.use({ gatewayOptions: { variant: 'fresh', per: 'test' } });

  test('is set up and signed in to by keyboard alone', async ({ gateway, page }) => {
    test.setTimeout(150_000);
    await page.goto(gateway.setupLink);
    await expect(page.getByRole('heading', { name: 'Set up this gateway' })).toBeVisible();
    await expect(page).toHaveURL(`${gateway.adminUrl}/setup`);
    await tabTo(page, 'textbox', 'Your name here');
    await page.keyboard.type('olga');
    await screenshot(page, 'setup');
    await expectAccessible(page);
    await page.keyboard.press('Enter');

    const secret = await shownSecret(page);
    await screenshot(page, 'setup-password');
    await page.keyboard.press('Tab');
    await tabToElement(page, page.getByLabel(/^Password/));
    await page.keyboard.type('olga is my name');
    await tabToElement(page, page.getByLabel(/^The password again/));
    await page.keyboard.type('something else');
    await page.keyboard.press('Enter');
    await expect(page.getByText('A password does not contain the name.')).toBeVisible();
    await expect(page.getByText('Type the six digits that the app shows now.')).toBeVisible();
    await expectAccessible(page);

    await page.getByLabel(/^Password/).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type(PASSWORD);
    await tabToElement(page, page.getByLabel(/^The password again/));
    await page.keyboard.press('Control+A');
    await page.keyboard.type(PASSWORD);
    await tabTo(page, 'textbox', 'Passcode');
    await page.keyboard.type(await totp(secret));
    await page.keyboard.press('Enter');
    // The sign-in follows by itself, and leads to what is to be done.
    await expect(page).toHaveURL(/\/welcome$/);
    await expect(page.getByRole('heading', { name: 'Set up', exact: true })).toBeVisible();

    await page.keyboard.press('Tab');
    await tabTo(page, 'button', 'Account: admin olga');
    await page.keyboard.press('Enter');
    const signOut = page.getByRole('menuitem', { name: 'Sign out' });
    await expect(async () => {
      await page.keyboard.press('ArrowDown');
      await expect(signOut).toBeFocused({ timeout: 300 });
    }).toPass();
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/sign-in$/);
    await tabTo(page, 'textbox', 'Name');
    await page.keyboard.type('olga');
    await tabToElement(page, page.getByLabel(/^Password/));
    await page.keyboard.type(PASSWORD);
    await tabTo(page, 'textbox', 'Passcode');
    // Two are used: that of the set-up, and that of the sign-in behind it.
    await totp(secret);
    await page.keyboard.type(await totp(secret));
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/welcome$/);
  });

  test('says so at the sign-in, and what to do with a link that is not good', async ({ gateway, page }) => {
    await page.goto('/sign-in');
    await expect(page.getByText('Nobody may sign in yet')).toBeVisible();
    await expect(page.getByText('countersign admin invite NAME')).toBeVisible();
    await page.goto('/setup');
    await expect(page.getByText('This page needs the link of the gateway’s start')).toBeVisible();
    await page.goto(`${gateway.setupLink.slice(0, -4)}0000`);
    await page.getByLabel('Your name here').fill('olga');
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect(page.getByText('This link no longer works')).toBeVisible();
    await expect(page.getByText('countersign admin invite olga')).toBeVisible();
  });
});

test.describe('an administrator', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  async function fill(page: Page, name: string, password: string, passcode: string) {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel(/^Password/).fill(password);
    await page.getByLabel('Passcode').fill(passcode);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  test('is let in with all three, and led to paths of this page alone', async ({ gateway, page }) => {
    // A passcode is good once: the next one takes its time.
    test.setTimeout(150_000);
    const { name, password, totpSecret } = gateway.administrator ?? {
      name: '',
      password: '',
      totpSecret: '',
    };
    await page.goto('/second-factor?q=alice');
    await expect(page).toHaveURL(/\/sign-in\?to=/);
    await screenshot(page, 'sign-in');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await expect(page.getByText('Type your name.')).toBeVisible();
    await fill(page, name, 'not the password', '000000');
    await expect(page.getByText('name, password or passcode is wrong')).toBeVisible();
    await fill(page, name, password, await totp(totpSecret));
    await expect(page).toHaveURL(/\/second-factor\?q=alice/);

    for (const to of ['//example.com/', '/\\example.com/']) {
      await page.context().clearCookies({ name: 'countersign' });
      await page.goto(`/sign-in?to=${encodeURIComponent(to)}`);
      await fill(page, name, password, await totp(totpSecret));
      await expect(page).toHaveURL(`${gateway.adminUrl}/`);
    }
  });

  test('waits after five failures, and sees for how long', async ({ page }) => {
    await page.goto('/sign-in');
    for (let failures = 1; failures <= 5; failures += 1) {
      const answered = page.waitForResponse('**/api/v1/session');
      await fill(page, 'nobody', 'not the password', '000000');
      expect((await answered).status()).toBe(401);
    }
    // The next ones are answered with how long to wait, which doubles.
    await expect(async () => {
      await page.getByLabel('Passcode').fill('000000');
      await page.getByRole('button', { name: 'Sign in', exact: true }).click({ timeout: 1_000 });
      await expect(page.getByText(/^Wait \d+ s$/)).toBeVisible({ timeout: 700 });
    }).toPass();
    await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeDisabled();
    await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeEnabled();
  });

  test('takes an invitation once', async ({ api, page }) => {
    const invited = await api.client.POST('/api/v1/admins', { body: { name: 'oleg', role: 'operator' } });
    const { invitation } = invited.data as { invitation: string };
    await page.goto(`/invitation#${invitation}&name=oleg`);
    await expect(page).toHaveURL(/\/invitation$/);
    await expect(page.getByLabel('Name')).toHaveValue('oleg');
    await page.getByRole('button', { name: 'Go on' }).click();
    const secret = await shownSecret(page);
    await page.getByLabel(/^Password/).fill(PASSWORD);
    await page.getByLabel('The password again').fill(PASSWORD);
    await toTop(page);
    await screenshot(page, 'invitation');
    await page.getByLabel('Passcode').fill('000000');
    await page.getByRole('button', { name: 'Finish and sign in' }).click();
    await expect(page.getByText('is not the present one; is the clock right?')).toBeVisible();
    await expectAccessible(page);
    await page.getByLabel('Passcode').fill(await totp(secret));
    await page.getByRole('button', { name: 'Finish and sign in' }).click();
    await expect(page.getByRole('button', { name: 'Account: admin oleg' })).toBeVisible();

    await page.goto(`/invitation#${invitation}`);
    await page.getByLabel('Name').fill('oleg');
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect(page.getByText('This link no longer works')).toBeVisible();
  });

  test('whose second factor is an integration is asked on the phone', async ({ api, page }) => {
    await api.createUser({
      name: 'rita',
      script: { answer: 'approve', after_ms: 0 },
      devices: [
        {
          kind: 'phone',
          name: '',
          number: '+1 555 010 0107',
          capabilities: { push: true, phone: false, sms: false },
        },
      ],
    });
    const invited = await api.client.POST('/api/v1/admins', {
      body: { name: 'rita', role: 'viewer', integration: 'radius_server_auto' },
    });
    const { invitation } = invited.data as { invitation: string };
    await page.goto(`/invitation#${invitation}&name=rita`);
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect(page.getByText('Your second factor is asked')).toBeVisible();
    await page.getByLabel(/^Password/).fill(PASSWORD);
    await page.getByLabel('The password again').fill(PASSWORD);
    await page.getByRole('button', { name: 'Accept the invitation' }).click();
    await expect(page.getByText('You are an administrator now')).toBeVisible();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('button', { name: 'Account: admin rita' })).toBeVisible();

    // A phone that nobody looks at: the page says what it waits for, and can be told to stop.
    await api.client.PATCH('/api/v1/second-factor/users/{name}', {
      params: { path: { name: 'rita' } },
      body: { script: { set: { answer: 'ignore', after_ms: 0 } } },
    });
    await page.context().clearCookies({ name: 'countersign' });
    await page.goto('/sign-in');
    await page.getByLabel('Name').fill('rita');
    await page.getByLabel(/^Password/).fill(PASSWORD);
    await page.getByRole('button', { name: 'Ask on my phone' }).click();
    await expect(page.getByRole('heading', { name: 'Look at your phone' })).toBeVisible();
    await screenshot(page, 'sign-in-phone');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expect(page.getByText('Cancelled')).toBeVisible();
  });

  test('changes password and passcodes, and signs out everywhere', async ({
    gateway,
    signedInPage: page,
  }) => {
    const { name, password, totpSecret } = gateway.administrator ?? {
      name: '',
      password: '',
      totpSecret: '',
    };
    await page.goto('/account');
    await expect(page.getByText('an administrator of this installation, role admin')).toBeVisible();
    await screenshot(page, 'account');
    await expectAccessible(page);
    const changed = 'another horse battery';
    await page.getByLabel('Present password').fill(password);
    await page.getByLabel(/^New password(?! again)/).fill(`${name} 123456789`);
    await page.getByLabel('New password again').fill(changed);
    await page.getByLabel('Passcode', { exact: true }).fill(await totp(totpSecret));
    await page.getByRole('button', { name: 'Change the password' }).click();
    await expect(page.getByText('A password does not contain the name.')).toBeVisible();
    await page.getByLabel(/^New password(?! again)/).fill(changed);
    await page.getByRole('button', { name: 'Change the password' }).click();
    await expect(page.getByText('The password is changed.')).toBeVisible();

    await page.getByLabel('Your password').fill(changed);
    await page.getByLabel('Present passcode').fill(await totp(totpSecret));
    await page.getByRole('button', { name: 'Create a new secret' }).click();
    const secret = await shownSecret(page);
    await page.getByLabel('Passcode of the new secret').fill('000000');
    await page.getByRole('button', { name: 'Use the new secret' }).click();
    await expect(page.getByText('is not the present one of the new secret')).toBeVisible();
    await page.getByLabel('Passcode of the new secret').fill(await totp(secret));
    await page.getByRole('button', { name: 'Use the new secret' }).click();
    await expect(page.getByText('The new secret is in use.')).toBeVisible();

    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
    await expect(page).toHaveURL(/\/sign-in/);
    await fill(page, name, changed, await totp(secret));
    await expect(page.getByRole('button', { name: `Account: admin ${name}` })).toBeVisible();
  });
});
