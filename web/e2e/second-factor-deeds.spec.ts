/** What is done to a user and their devices in daily work: each deed is proved by a real login. */

import type { Page } from '@playwright/test';
import { HOTP, Secret } from 'otpauth';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { MailServer } from './harness/mail.ts';
import { answerChallenge, login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';
import { until } from './harness/until.ts';

test.describe.configure({ timeout: 180_000 });

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

const userOf = (api: Api, name: string) =>
  good(api.client.GET('/api/v1/second-factor/users/{name}', { params: { path: { name } } }));

/** The secret of RFC 4226 appendix D. */
const SECRET = Secret.fromUTF8('12345678901234567890');
const hotp = (counter: number) => new HOTP({ secret: SECRET, digits: 6 }).generate({ counter });

test('a user is locked, a right code is refused, and unlocking lets in', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({ name: 'quentin' });
  const [one, two] = await api.createBypassCodes('quentin', 2);
  const quentin = { port: sample.ports.auto, secret: sample.secret, user: 'quentin' };
  await page.goto('/second-factor/users/quentin');
  await page.getByRole('button', { name: 'Lock', exact: true }).click();
  const question = page.getByRole('dialog', { name: 'Lock quentin?' });
  await expect(question).toContainText('It lasts until somebody unlocks quentin');
  await expectFit(page);
  await question.getByRole('button', { name: 'Lock quentin' }).click();
  await expect(page.getByText('quentin is locked.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Lock', exact: true })).toHaveCount(0);
  expect((await login({ ...quentin, password: `anything,${one}` })).code).toBe('Access-Reject');
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unlock quentin' }).click();
  await expect(page.getByText('quentin is unlocked.')).toBeVisible();
  expect((await login({ ...quentin, password: `anything,${two}` })).code).toBe('Access-Accept');

  // In the list as well.
  await page.goto('/second-factor?q=quentin');
  await page.getByRole('button', { name: 'What can be done to quentin' }).click();
  await page.getByRole('menuitem', { name: 'Lock', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Lock quentin' }).click();
  await expect(page.getByRole('row', { name: /quentin/ })).toContainText('locked out');
  expect(JSON.stringify(await good(api.client.GET('/api/v1/audit')))).toContain('second-factor.user.lock');
});

test('a bypass has an end, which undo brings back', async ({ api, signedInPage: page, sample }) => {
  await api.createUser({ name: 'ruth' });
  const ruth = { port: sample.ports.auto, secret: sample.secret, user: 'ruth' };
  await page.goto('/second-factor/users/ruth');
  const choose = async (item: RegExp) => {
    await page.getByRole('button', { name: 'Change the status' }).click();
    await page.getByRole('menuitem', { name: item }).click();
  };
  await choose(/Set to bypass/);
  const form = page.getByRole('dialog', { name: 'Let ruth in without the second factor?' });
  await expect(form.getByLabel('For how long')).toHaveValue('a day');
  await form.getByLabel('For how long').click();
  await page.getByRole('option', { name: 'until a time' }).click();
  await form.getByRole('button', { name: 'Set ruth to bypass' }).click();
  await expect(form.getByText('Say a day and a time.')).toBeVisible();
  await form.getByLabel('Until', { exact: true }).fill('2020-01-01T00:00');
  await form.getByRole('button', { name: 'Set ruth to bypass' }).click();
  await expect(form.getByText('That is over already.')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'second-factor-bypass');
  expect((await userOf(api, 'ruth')).status).toBe('active');
  // As the clock on the wall of the browser shows it.
  const tomorrow = new Date(Date.now() + 86_400_000);
  const wall = tomorrow.toLocaleString('sv-SE', { timeZone: 'Europe/Berlin' }).slice(0, 16).replace(' ', 'T');
  await form.getByLabel('Until', { exact: true }).fill(wall);
  await form.getByRole('button', { name: 'Set ruth to bypass' }).click();
  await expect(page.getByText('ruth is bypass now.')).toBeVisible();
  const end = Math.floor(tomorrow.getTime() / 60_000) * 60;
  expect(await userOf(api, 'ruth')).toMatchObject({ status: 'bypass', bypass_until: end });
  await expect(page.getByRole('alert').filter({ hasText: 'No second factor is asked for' })).toContainText(
    'until',
  );
  expect((await login(ruth)).code).toBe('Access-Accept');

  await choose(/Set to active/);
  const told = page.getByRole('alert').filter({ hasText: 'ruth is active now.' });
  await expect(told).toBeVisible();
  expect((await login(ruth)).code).toBe('Access-Reject');
  await told.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('ruth is bypass again.')).toBeVisible();
  expect(await userOf(api, 'ruth')).toMatchObject({ status: 'bypass', bypass_until: end });

  await choose(/Change how long the bypass lasts/);
  await form.getByLabel('For how long').click();
  await page.getByRole('option', { name: 'until somebody changes it' }).click();
  await form.getByRole('button', { name: 'Set ruth to bypass' }).click();
  await expect(page.getByText('Set the status back to active when it is no longer needed')).toBeVisible();
  expect((await userOf(api, 'ruth')).bypass_until ?? null).toBeNull();
});

test('a device is renamed, and one that ran away is found again', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({
    name: 'sven',
    devices: [{ kind: 'hotp', name: 'grey token', secret: SECRET.base32 }],
  });
  const sven = { port: sample.ports.auto, secret: sample.secret, user: 'sven' };
  await page.goto('/second-factor/users/sven');
  await page.getByRole('button', { name: 'Rename grey token' }).click();
  const rename = page.getByRole('dialog', { name: 'Rename grey token of sven' });
  await expect(rename.getByLabel('Name')).toHaveValue('grey token');
  await rename.getByLabel('Name').fill('blue token');
  await expectFit(page);
  await page.keyboard.press('Enter');
  await expect(page.getByText('grey token is blue token now.')).toBeVisible();
  await expect(rename).toBeHidden();
  expect((await userOf(api, 'sven')).devices[0]?.name).toBe('blue token');

  // Its button was pressed far too often.
  expect((await login({ ...sven, password: `anything,${hotp(500)}` })).code).toBe('Access-Reject');
  await page.getByRole('button', { name: 'Find again blue token' }).click();
  const find = page.getByRole('dialog', { name: 'Find blue token of sven again' });
  await find.getByLabel('First passcode').fill(hotp(501));
  await find.getByLabel('The next one').fill(hotp(503));
  await find.getByRole('button', { name: 'Find it again' }).click();
  await expect(find.getByRole('alert')).toBeVisible();
  await expectFit(page);
  await screenshot(page, 'second-factor-resync');
  await find.getByLabel('The next one').fill(`${hotp(502).slice(0, 3)} ${hotp(502).slice(3)}`);
  await expect(find.getByRole('alert')).toBeHidden();
  await find.getByRole('button', { name: 'Find it again' }).click();
  await expect(page.getByText('blue token of sven is found')).toBeVisible();
  expect((await login({ ...sven, password: `anything,${hotp(502)}` })).code).toBe('Access-Reject');
  expect((await login({ ...sven, password: `anything,${hotp(503)}` })).code).toBe('Access-Accept');
});

test('an address is added, and its passcodes come by e-mail and let in', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({ name: 'tilda', email: 'tilda@corp.example' });
  const mail = await MailServer.start();
  try {
    await page.goto('/second-factor/users/tilda');
    await page.getByRole('button', { name: 'Add a device' }).click();
    const form = page.getByRole('dialog', { name: 'Add a device for tilda' });
    await form.getByRole('radio', { name: 'e-mail' }).check();
    await expect(form.getByText('No e-mail is sent yet')).toBeVisible();
    await expect(form.getByLabel('Address')).toHaveValue('tilda@corp.example');
    await form.getByLabel('Address').fill('nowhere');
    await form.getByRole('button', { name: 'Add the device' }).click();
    await expect(form.getByRole('alert')).toBeVisible();
    await form.getByLabel('Address').fill('tilda@private.example');
    await expectFit(page);
    await form.getByRole('button', { name: 'Add the device' }).click();
    await expect(form).toBeHidden();
    await expect(page.getByRole('region', { name: 'Devices' }).getByRole('listitem')).toContainText('e-mail');

    await page.goto('/second-factor?tab=delivery');
    await page.getByRole('button', { name: 'Set up: E-mail' }).click();
    const smtp = page.getByRole('dialog', { name: 'E-mail' });
    await smtp.getByLabel('Server').fill('127.0.0.1');
    await smtp.getByLabel('Port').fill(String(mail.port));
    await smtp.getByLabel('Protection').click();
    await page.getByRole('option', { name: /none, port 25/ }).click();
    await smtp.getByLabel('From').fill('gate@corp.example');
    await smtp.getByRole('button', { name: 'Save' }).click();
    await expect(smtp).toBeHidden();

    const tilda = { port: sample.ports.challenge, secret: sample.secret, user: 'tilda' };
    const asked = await login(tilda);
    const choice = /(\d)\. .*mail/i.exec(asked.replyMessage)?.[1] ?? '';
    const again = await answerChallenge(tilda, asked, choice);
    const letter = await until('a letter to tilda', () => mail.letters.find(({ lines }) => lines.length > 0));
    expect(letter.to).toBe('tilda@private.example');
    const code = /\b\d{7}\b/.exec(letter.lines.join('\n'))?.[0] ?? '';
    expect((await answerChallenge(tilda, again, code)).code).toBe('Access-Accept');
  } finally {
    await mail.stop();
  }
});

test('an operator locks and renames, and is not offered what is for administrators', async ({
  api,
  context,
  page,
}) => {
  const { devices } = await api.createUser({
    name: 'ulla',
    devices: [
      { kind: 'totp', name: 'app' },
      {
        kind: 'phone',
        name: 'old phone',
        number: '',
        capabilities: { push: true, phone: false, sms: false },
      },
    ],
  });
  expect(devices).toHaveLength(2);
  const credentials = await api.createAdmin('oda', { role: 'operator' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor/users/ulla');
  await expect(page.getByRole('button', { name: 'Lock', exact: true })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Delete' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: /^Find again/ })).toHaveCount(0);
  // The app is the last that answers: nothing binds the phone.
  await expect(page.getByRole('button', { name: 'Remove app' })).toHaveCount(0);
  await expect(page.getByText('The last device that answers for ulla')).toBeVisible();
  await page.getByRole('button', { name: 'Rename app' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('new app');
  await page.getByRole('dialog').getByRole('button', { name: 'Rename it' }).click();
  await expect(page.getByText('app is new app now.')).toBeVisible();
  await page.getByRole('button', { name: 'Remove old phone' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove old phone' }).click();
  await expect(page.getByText('old phone of ulla is removed.')).toBeVisible();
  await expectFit(page);

  await page.goto('/second-factor?tab=devices&q=ulla');
  await expect(page.getByRole('row', { name: /new app/ })).toBeVisible();
  await expect(page.getByRole('button', { name: /^Remove/ })).toHaveCount(0);
  await page.goto('/second-factor?q=ulla');
  await page.getByRole('button', { name: 'What can be done to ulla' }).click();
  await expect(page.getByRole('menuitem', { name: 'Lock', exact: true })).toBeVisible();
  await expect(page.getByRole('menuitem', { name: 'Delete' })).toHaveCount(0);
});
