/** Hardware tokens and invitations, from a file to the login. */

import type { Page } from '@playwright/test';
import { HOTP, Secret } from 'otpauth';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

const file = (text: string) => ({ name: 'tokens.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });

/** The secret of RFC 4226 appendix D, whose first passcode is 755224. */
const SECRET = Buffer.from('12345678901234567890').toString('hex');

test('a token is imported, given to a user, lets in, and is taken back', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({ name: 'olivia' });
  await page.goto('/second-factor?tab=tokens');
  await expect(page.getByText('No hardware tokens yet')).toBeVisible();
  await page.getByRole('button', { name: 'Import tokens' }).click();
  const form = page.getByRole('dialog', { name: 'Import hardware tokens' });
  const choose = page.locator('input[type=file]');
  await choose.setInputFiles(file('serial,secret\nT-1,nonsense\n'));
  await form.getByRole('button', { name: 'See what would change' }).click();
  await expect(form.getByText(/Line 2/)).toBeVisible();
  await expect(form).not.toContainText('nonsense');
  await choose.setInputFiles(file(`serial,secret\nT-1,${SECRET}\nT-2,${SECRET}\n`));
  await form.getByRole('button', { name: 'See what would change' }).click();
  await expectFit(page);
  await form.getByRole('button', { name: 'Take in 2 tokens' }).click();
  await expect(page.getByRole('row', { name: /T-1/ })).toContainText('nobody’s');

  await page.getByRole('button', { name: 'Give T-1 to a user' }).click();
  const give = page.getByRole('dialog', { name: 'Give T-1 to a user' });
  await give.getByLabel('User').fill('nobody-of-that-name');
  await give.getByRole('button', { name: 'Give it' }).click();
  await expect(give.getByRole('alert')).toBeVisible();
  await give.getByLabel('User').fill('olivia');
  await give.getByRole('button', { name: 'Give it' }).click();
  await expect(page.getByRole('row', { name: /T-1/ })).toContainText('olivia');
  await expectFit(page);
  await screenshot(page, 'second-factor-tokens');
  const olivia = { port: sample.ports.auto, secret: sample.secret, user: 'olivia' };
  expect((await login({ ...olivia, password: 'anything,755224' })).code).toBe('Access-Accept');

  // Somebody played with its button.
  const hotp = (counter: number) =>
    new HOTP({ secret: Secret.fromHex(SECRET), digits: 6 }).generate({ counter });
  await expect(page.getByRole('button', { name: 'Delete T-1' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Find T-1 again' }).click();
  const find = page.getByRole('dialog', { name: 'Find T-1 of olivia again' });
  await find.getByLabel('First passcode').fill(hotp(300));
  await find.getByLabel('The next one').fill(hotp(301));
  await find.getByRole('button', { name: 'Find it again' }).click();
  await expect(page.getByText('T-1 of olivia is found')).toBeVisible();
  expect((await login({ ...olivia, password: `anything,${hotp(302)}` })).code).toBe('Access-Accept');

  await page.getByRole('button', { name: 'Take T-1 back' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Take T-1 back' }).click();
  await expect(page.getByRole('row', { name: /T-1/ })).toContainText('nobody’s');
  await page.getByRole('button', { name: 'Delete T-2' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete T-2' }).click();
  await expect(page.getByRole('row', { name: /T-2/ })).toBeHidden();
});

test('many are invited, who cannot be is named, and an invitation is withdrawn', async ({
  api,
  signedInPage: page,
}) => {
  await api.createUser({ name: 'paula' });
  await page.goto('/second-factor?tab=enrolment');
  await expect(page.getByText('No invitation waits')).toBeVisible();
  await page.getByRole('button', { name: 'Invite users' }).click();
  const form = page.getByRole('dialog', { name: 'Invite users to set up a device' });
  await form.getByLabel('Users').fill('paula\nnot-there');
  await expectFit(page);
  await form.getByRole('button', { name: 'Invite', exact: true }).click();
  const made = page.getByRole('dialog', { name: 'What became of the invitations' });
  await expect(made.getByText('1 user is invited.')).toBeVisible();
  await expect(made.getByText(/^not-there: /)).toBeVisible();
  await expectFit(page);
  await made.getByRole('button', { name: 'I have it' }).click();
  await expect(page.getByRole('row', { name: /paula/ })).toContainText('invitation');
  await screenshot(page, 'second-factor-enrolment');
  await page.getByRole('button', { name: 'Withdraw the invitation of paula' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Withdraw it' }).click();
  await expect(page.getByText('No invitation waits')).toBeVisible();
});

test('a viewer sees tokens and invitations, and changes none', async ({ api, context, page }) => {
  const credentials = await api.createAdmin('vito', { role: 'viewer' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  for (const [tab, action] of [
    ['tokens', /Import tokens|Give|Take|Delete/],
    ['enrolment', /Invite|Withdraw/],
  ] as const) {
    await page.goto(`/second-factor?tab=${tab}`);
    await expect(page.getByText(/for administrators|T-1/).first()).toBeVisible();
    await expect(page.getByRole('main').getByRole('button', { name: action })).toHaveCount(0);
  }
});
