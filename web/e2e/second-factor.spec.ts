/** The second factor's users, devices and approvals: each deed on the page is proved by a real login. */

import type { Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { tabTo } from './harness/keyboard.ts';
import { answerChallenge, login } from './harness/radius.ts';
import { configurationOf } from './harness/sample.ts';
import { screenshot } from './harness/shots.ts';

// Many logins, and axe in two colours, in one test.
test.describe.configure({ timeout: 180_000 });

const totpDevice = (name: string) => ({ kind: 'totp' as const, name });
const phone = (more: { phone?: boolean; sms?: boolean } = {}) => ({
  kind: 'phone' as const,
  name: '',
  number: '+1 555 010 0177',
  capabilities: { push: true, phone: false, sms: false, ...more },
});

/** Where the person is, as a VPN's gateway says. */
const from = (address: string): [string, string][] => [['Calling-Station-Id', `'${address}'`]];

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

const userOf = (api: Api, name: string) =>
  good(api.client.GET('/api/v1/second-factor/users/{name}', { params: { path: { name } } }));

test('a user is added, gets an authenticator app, and logs in with its passcode', async ({
  signedInPage: page,
  sample,
  totp,
}) => {
  const frank = { port: sample.ports.auto, secret: sample.secret, user: 'frank' };
  expect((await login(frank)).code).toBe('Access-Reject');

  await page.goto('/second-factor');
  await page.getByRole('button', { name: 'Add a user' }).click();
  const add = page.getByRole('dialog', { name: 'Add a user' });
  await add.getByRole('button', { name: 'Add the user' }).click();
  await expect(add.getByText('Type the name this person logs in with.')).toBeVisible();
  await add.getByRole('textbox', { name: 'Name', exact: true }).fill('ALICE');
  await add.getByRole('button', { name: 'Add the user' }).click();
  await expect(add.getByText('that name is taken')).toBeVisible();
  await expectFit(page);
  await add.getByRole('textbox', { name: 'Name', exact: true }).fill('frank');
  await add.getByRole('button', { name: 'Add the user' }).click();

  await expect(page).toHaveURL(/\/second-factor\/users\/frank$/);
  await expect(page.getByText('Nothing to log in with yet')).toBeVisible();
  // Nobody knew the name: that login is there to be seen.
  await expect(page.getByRole('link', { name: 'second factor refuses this user' })).toBeVisible();

  await page.getByRole('button', { name: 'Add a device' }).click();
  const device = page.getByRole('dialog', { name: 'Add a device for frank' });
  await device.getByRole('textbox', { name: 'Name' }).fill('token');
  await expectFit(page);
  await device.getByRole('button', { name: 'Add the device' }).click();
  const once = page.getByRole('dialog', { name: 'For frank, shown once' });
  await expect(once.getByRole('img', { name: /QR code of the secret/ })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(once).toBeVisible();
  const secret = ((await once.getByTestId('secret').textContent()) ?? '').replace(/\s/g, '');
  await expect(once.getByLabel('Address for an authenticator app', { exact: true })).toContainText(
    `secret=${secret}`,
  );
  await expectFit(page);
  await screenshot(page, 'second-factor-secret');
  await once.getByRole('button', { name: 'I have it' }).click();
  await expect(once).toBeHidden();
  await expect(page.getByText('Nothing to log in with yet')).toBeHidden();

  const accepted = await login({ ...frank, password: `anything,${await totp(secret)}` });
  expect(accepted.code).toBe('Access-Accept');
  // The page shows it by itself.
  await expect(page.getByRole('link', { name: 'second factor approved' })).toBeVisible();
});

test('a push that waits appears by itself, and is approved by keyboard alone', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await page.goto('/second-factor?tab=approvals');
  await expect(page.getByText('No login waits for an answer')).toBeVisible();
  await expectFit(page);

  const waiting = login({ port: sample.ports.auto, secret: sample.secret, user: 'bob' });
  const approve = page.getByRole('button', { name: 'Approve bob' });
  await expect(approve).toBeVisible();
  await expect(page.getByRole('listitem').filter({ hasText: 'bob' })).toContainText('XXX-XXX-0101 (phone)');
  await expect(page.getByRole('listitem').filter({ hasText: 'bob' })).toContainText(/[45]\d s left/);
  await expect(page.getByRole('tab', { name: /Approvals/ })).toContainText('1');

  await tabTo(page, 'button', 'Approve bob');
  await page.keyboard.press('Enter');
  const question = page.getByRole('dialog', { name: 'Approve the login of bob?' });
  await expect(question).toContainText('in place of bob, and is in the audit');
  await tabTo(page, 'button', 'Approve: bob');
  await page.keyboard.press('Enter');
  expect((await waiting).code).toBe('Access-Accept');
  await expect(page.getByText('The login of bob was approved.')).toBeVisible();
  await expect(question).toBeHidden();
  await expect(page.getByRole('heading', { name: 'Waiting for an answer' })).toBeFocused();
  await expect(approve).toBeHidden();

  const audit = await good(api.client.GET('/api/v1/audit'));
  expect(JSON.stringify(audit)).toContain('second-factor.push.approve');
});

for (const [deed, confirm, reason] of [
  ['Deny bob', 'Deny: bob', 'denied'],
  ['Report fraud: bob', 'Report fraud: bob', 'fraud'],
] as const) {
  test(`a push is answered with ${reason}, and the login is rejected`, async ({
    api,
    signedInPage: page,
    sample,
  }) => {
    await page.goto('/second-factor?tab=approvals');
    const waiting = login({ port: sample.ports.auto, secret: sample.secret, user: 'bob' });
    await page.getByRole('button', { name: deed, exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: confirm, exact: true }).click();
    expect((await waiting).code).toBe('Access-Reject');
    await api.waitForEvent({ user: 'bob', outcome: 'reject' }, (event) => event.reason === reason);
  });
}

test('a push that is answered elsewhere while one is asked is told so', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await page.goto('/second-factor/users/bob');
  const waiting = login({ port: sample.ports.auto, secret: sample.secret, user: 'bob' });
  await page.getByRole('button', { name: 'Approve bob' }).click();
  const { txid } = await api.waitForApproval('bob');
  await good(api.client.POST('/api/v1/second-factor/approvals/{txid}/deny', { params: { path: { txid } } }));
  expect((await waiting).code).toBe('Access-Reject');
  await page.getByRole('dialog').getByRole('button', { name: 'Approve: bob' }).click();
  await expect(page.getByRole('dialog')).toContainText(
    'Somebody has answered the push of bob in the meantime',
  );
});

test('a push answered on the user’s own page leaves the focus on it', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  // Of his own: too many denied in a row would ask for a number.
  await api.createUser({ name: 'bodo', devices: [phone()] });
  await page.goto('/second-factor/users/bodo');
  const waiting = login({ port: sample.ports.auto, secret: sample.secret, user: 'bodo' });
  await page.getByRole('button', { name: 'Deny bodo' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Deny: bodo' }).click();
  expect((await waiting).code).toBe('Access-Reject');
  await expect(page.getByRole('heading', { name: 'A login waits for an answer' })).toBeHidden();
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.locator(':focus')).toContainText('Latest logins');
});

test('a user who was read and cannot be read again is marked as old', async ({
  signedInPage: page,
  faults,
}) => {
  await page.goto('/second-factor/users/bob');
  await expect(page.getByRole('heading', { level: 1, name: 'bob' })).toBeVisible();
  await page.route('**/api/v1/second-factor/users/bob', (route) =>
    route.fulfill({
      status: 403,
      json: { type: 'urn:countersign:problem:forbidden', title: 'Forbidden', status: 403, detail: 'not now' },
    }),
  );
  await expect(page.getByText('What is shown may be out of date')).toBeVisible({ timeout: 15_000 });
  await expect(page.getByRole('heading', { level: 1, name: 'bob' })).toBeVisible();
  faults.take(/403/);
});

test('a page that is open when the last integration goes says so', async ({ signedInPage: page, faults }) => {
  await page.goto('/second-factor');
  await expect(page.getByRole('link', { name: 'bob' })).toBeVisible();
  await page.route('**/api/v1/second-factor/status', (route) =>
    route.fulfill({
      status: 409,
      json: {
        type: 'urn:countersign:problem:conflict',
        title: 'Conflict',
        status: 409,
        detail: 'it does not run',
      },
    }),
  );
  await expect(page.getByText('The built-in second factor is not used')).toBeVisible({ timeout: 15_000 });
  faults.take(/409/);
  // One comes back, and the users with it.
  await page.unroute('**/api/v1/second-factor/status');
  await expect(page.getByRole('link', { name: 'bob' })).toBeVisible({ timeout: 15_000 });
  faults.take(/409/);
});

test('a bypass code made on the page lets in once', async ({ api, signedInPage: page, sample }) => {
  await api.createUser({ name: 'grace', devices: [totpDevice('')] });
  await page.goto('/second-factor/users/grace');
  await page.getByRole('button', { name: 'Create codes' }).click();
  const form = page.getByRole('dialog', { name: 'Create bypass codes for grace' });
  await form.getByLabel('How many').fill('2');
  await expectFit(page);
  await form.getByRole('button', { name: 'Create the codes' }).click();
  const made = page.getByRole('dialog', { name: 'Bypass codes of grace, shown once' });
  const listed = made.getByRole('list', { name: 'Bypass codes' }).getByRole('listitem');
  await expect(listed).toHaveCount(2);
  const codes = await listed.allTextContents();
  expect(codes[0]).toMatch(/^\d{9}$/);
  await expectFit(page);
  // On paper are the codes and whose they are, and nothing else.
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await expect(page.getByText(codes[0] ?? '')).toBeVisible();
  await expect(page.getByText('in place of a passcode of grace')).toBeVisible();
  await expect(page.getByText('They are shown only once.')).toBeHidden();
  await expect(page.getByText('Countersign', { exact: true })).toBeHidden();
  await page.screenshot({ path: 'e2e/output/shots/bypass-codes-on-paper.png' });
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  await made.getByRole('button', { name: 'I have them' }).click();
  await expect(page.getByText('2 codes can still be used.')).toBeVisible();

  const grace = { port: sample.ports.auto, secret: sample.secret, user: 'grace' };
  const code = `anything,${codes[0]}`;
  expect((await login({ ...grace, password: code })).code).toBe('Access-Accept');
  expect((await login({ ...grace, password: code })).code).toBe('Access-Reject');
  await expect(page.getByText('1 code can still be used.')).toBeVisible();

  // Others take the place of that one, and the page says so first.
  await page.getByRole('button', { name: 'Create codes' }).click();
  await expect(page.getByRole('dialog')).toContainText('1 earlier code will stop working');
});

test('a disabled user is refused, and undo takes it back', async ({ api, signedInPage: page, sample }) => {
  const code = (await api.createUser({ name: 'heidi' })) && (await api.createBypassCodes('heidi', 2));
  const heidi = { port: sample.ports.auto, secret: sample.secret, user: 'heidi' };
  await page.goto('/second-factor?q=heidi');
  await page.getByRole('button', { name: 'What can be done to heidi' }).click();
  await page.getByRole('menuitem', { name: /Set to disabled/ }).click();
  await expect(page.getByRole('row', { name: /heidi/ })).toContainText('disabled');
  const told = page.getByRole('alert').filter({ hasText: 'heidi is disabled now.' });
  await expect(told).toBeVisible();
  expect((await login({ ...heidi, password: `anything,${code[0]}` })).code).toBe('Access-Reject');
  await told.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('heidi is active again.')).toBeVisible();
  await expect(page.getByRole('row', { name: /heidi/ })).toContainText('active');
  expect((await login({ ...heidi, password: `anything,${code[0]}` })).code).toBe('Access-Accept');
});

test('wrong passcodes lock out, and unlocking ends that', async ({
  api,
  signedInPage: page,
  sample,
  totp,
}) => {
  const { devices } = await api.createUser({ name: 'ivan', devices: [totpDevice('')] });
  const ivan = { port: sample.ports.auto, secret: sample.secret, user: 'ivan' };
  await page.goto('/second-factor/users/ivan');
  for (let wrong = 0; wrong < 10; wrong += 1) {
    expect((await login({ ...ivan, password: 'anything,00000' })).code).toBe('Access-Reject');
    if (wrong === 1) await expect(page.getByText('2 of 10')).toBeVisible();
  }
  const locked = page.getByRole('alert').filter({ hasText: 'Locked out' });
  await expect(locked).toBeVisible();
  await expectFit(page);
  const secret = devices[0]?.secret ?? '';
  expect((await login({ ...ivan, password: `anything,${await totp(secret)}` })).code).toBe('Access-Reject');

  await page.goto('/second-factor?show=locked_out');
  await expect(page.getByRole('row', { name: /ivan/ })).toContainText('10 of 10');
  await page.getByRole('link', { name: 'ivan' }).click();
  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Unlock ivan' }).click();
  await expect(page.getByText('ivan is unlocked.')).toBeVisible();
  await expect(locked).toBeHidden();
  expect((await login({ ...ivan, password: `anything,${await totp(secret)}` })).code).toBe('Access-Accept');
});

test('an invitation and a phone are handed over once, and a device is removed', async ({
  api,
  signedInPage: page,
}) => {
  await api.createUser({ name: 'judy' });
  await page.goto('/second-factor/users/judy');
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Create the invitation' }).click();
  const once = page.getByRole('dialog', { name: 'Invitation for judy, shown once' });
  await expect(once.getByLabel('Address of the invitation', { exact: true })).toHaveText(/^https:.*\/e\//);
  await expect(once.getByText('It opens only on the gateway’s own machine')).toBeVisible();
  await expectFit(page);
  await once.getByRole('button', { name: 'I have it' }).click();

  await page.getByRole('button', { name: 'Add a device' }).click();
  const form = page.getByRole('dialog', { name: 'Add a device for judy' });
  await form.getByRole('radio', { name: 'phone' }).check();
  await form.getByLabel('Number').fill('+1 555 010 0155');
  await expectFit(page);
  await form.getByRole('button', { name: 'Add the device' }).click();
  const address = page.getByLabel('Address of the approval page', { exact: true });
  await expect(address).toHaveText(/^https:.*\/approve\//);
  await page.getByRole('button', { name: 'I have it' }).click();
  await expect(page.getByRole('listitem').filter({ hasText: 'XXX-XXX-0155' })).toContainText('push');

  // What the service does not take is said, and nothing is lost.
  await page.getByRole('button', { name: 'Add a device' }).click();
  await form.getByRole('button', { name: 'More, for a token' }).click();
  await form.getByLabel('Secret').fill('short');
  await form.getByRole('button', { name: 'Add the device' }).click();
  await expect(form.getByRole('alert')).toContainText('Request');
  await expectFit(page);
  await form.getByRole('button', { name: 'Cancel' }).click();

  await page.getByRole('button', { name: 'Remove XXX-XXX-0155' }).click();
  await expect(page.getByRole('dialog')).toContainText('It is the only one: without it, judy is rejected');
  await page.getByRole('dialog').getByRole('button', { name: 'Remove XXX-XXX-0155' }).click();
  await expect(page.getByText('No device yet.')).toBeVisible();
  expect((await userOf(api, 'judy')).devices).toEqual([]);
});

test('passcodes in place of an SMS are read on the page, and let in', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  await api.createUser({ name: 'karl', devices: [phone({ sms: true })] });
  const karl = { port: sample.ports.challenge, secret: sample.secret, user: 'karl' };
  const asked = await login(karl);
  const again = await answerChallenge(karl, asked, 'sms');
  expect(again.code).toBe('Access-Challenge');
  await page.goto('/second-factor/users/karl');
  await page.getByRole('button', { name: 'Show the codes' }).click();
  const section = page.getByRole('region', { name: 'In place of an SMS' });
  await expect(section.getByText('the next one')).toBeVisible();
  await expectFit(page);
  const code = await section
    .getByText(/^\d{6,9}$/)
    .first()
    .textContent();
  expect((await answerChallenge(karl, again, code ?? '')).code).toBe('Access-Accept');
});

test('a script answers pushes, is marked, and is ended', async ({ api, signedInPage: page, sample }) => {
  await api.createUser({ name: 'lena', devices: [phone()] });
  await page.goto('/second-factor/users/lena');
  await page.getByRole('button', { name: 'Set a script' }).click();
  const form = page.getByRole('dialog', { name: 'Script for lena' });
  await expect(form).toContainText('The second factor then protects nothing');
  await form.getByLabel('After').fill('0');
  await form.getByRole('button', { name: 'Set the script' }).click();
  await expect(page.getByText('Pushes are answered by a script')).toBeVisible();
  await expectFit(page);
  const lena = { port: sample.ports.auto, secret: sample.secret, user: 'lena' };
  expect((await login(lena)).code).toBe('Access-Accept');
  await page.getByRole('button', { name: 'End the script' }).click();
  await expect(page.getByText('lena answers their own pushes again.')).toBeVisible();
  expect((await userOf(api, 'lena')).script).toBeUndefined();
  await page.getByRole('alert').getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByText('Pushes are answered by a script')).toBeVisible();
});

test('deleting names the user and what goes with it', async ({ api, signedInPage: page }) => {
  // Names are as people chose them.
  const name = 'm/ä %41 $x <i>mallory</i>';
  await api.createUser({ name, devices: [totpDevice('')] });
  await api.createBypassCodes(name, 3);
  await page.goto('/second-factor?q=mallory');
  await page.getByRole('link', { name }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  await page.reload();
  await page.getByRole('button', { name: 'Delete' }).click();
  const question = page.getByRole('dialog', { name: `Delete ${name}?` });
  await expect(question).toContainText('With it go: 1 device and 3 bypass codes.');
  await expectFit(page);
  await question.getByRole('button', { name: `Delete ${name}` }).click();
  await expect(page).toHaveURL(/\/second-factor$/);
  await expect(page.getByRole('link', { name })).toBeHidden();
});

test('who is deleted in the list leaves the focus there, and is not shown again', async ({
  api,
  signedInPage: page,
}) => {
  await api.createUser({ name: 'nina', devices: [totpDevice('old token')] });
  await page.goto('/second-factor/users/nina');
  await expect(page.getByRole('heading', { level: 1, name: 'nina' })).toBeVisible();
  await page.getByRole('link', { name: 'All users' }).click();
  await page.getByRole('tab', { name: 'Devices' }).click();
  await page.getByRole('button', { name: 'Remove old token of nina' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove old token' }).click();
  await expect(page.getByText('old token of nina is removed.')).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.locator(':focus')).toContainText('Used for');

  await page.getByRole('tab', { name: 'Users' }).click();
  await page.getByRole('button', { name: 'What can be done to nina' }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  // Somebody else was faster: what is wanted is so.
  await good(api.client.DELETE('/api/v1/second-factor/users/{name}', { params: { path: { name: 'nina' } } }));
  await page.getByRole('dialog').getByRole('button', { name: 'Delete nina' }).click();
  await expect(page.getByText('nina is deleted.')).toBeVisible();
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.locator(':focus')).toContainText('Wrong passcodes');
  // Over the tabs to the page of the user.
  for (let back = 0; back < 3; back += 1) await page.goBack();
  await expect(page.getByText('There is no user nina here')).toBeVisible();
});

test('a name that is not here is said so, and can be added', async ({ signedInPage: page }) => {
  await page.goto('/second-factor/users/nobody');
  await expect(page.getByText('There is no user nobody here')).toBeVisible();
  await expectFit(page);
  await page.getByRole('button', { name: 'Add nobody' }).click();
  await expect(page.getByRole('dialog').getByRole('textbox', { name: 'Name', exact: true })).toHaveValue(
    'nobody',
  );
});

test('the lists are searched, narrowed and sorted by the address', async ({ signedInPage: page }) => {
  await page.goto('/second-factor');
  await page.getByLabel('Search').fill('DAV');
  await expect(page).toHaveURL(/q=DAV/);
  await expect(page.getByRole('row')).toHaveCount(2);
  await expect(page.getByRole('row', { name: /dave/ })).toContainText('locked out');
  await page.goto('/second-factor?show=bypass&q=alice');
  await expect(page.getByText('No user matches')).toBeVisible();
  await expect(page.getByText(/The search hides \d+ users\. Anyone who logs in/)).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(page.getByRole('link', { name: 'alice' })).toBeVisible();
  await page.getByRole('button', { name: 'Name' }).click();
  await expect(page).toHaveURL(/sort=-name/);
  await expect(page.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'descending');
  await page.goto('/second-factor?tab=devices&kind=hotp');
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(page.getByRole('row', { name: /carol/ })).toBeVisible();
  await page.goto('/second-factor?tab=devices&kind=phone&q=carol');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.goto('/second-factor?tab=devices&q=0103');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('link', { name: 'dave' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'dave' })).toBeVisible();
});

test.describe('roles', () => {
  for (const [name, role] of [
    ['oscar', 'operator'],
    ['vera', 'viewer'],
  ] as const) {
    test(`a ${role} finds what a ${role} may do`, async ({ api, context, page, sample }) => {
      const user = `asked-before-${name}`;
      await api.createUser({ name: user, devices: [phone()] });
      const credentials = await api.createAdmin(name, { role });
      await signInBrowser(context, await api.as('nobody').signIn(credentials));
      await page.goto('/second-factor?tab=approvals');
      const waiting = login({ port: sample.ports.auto, secret: sample.secret, user });
      const push = page.getByRole('listitem').filter({ hasText: user });
      await expect(push).toBeVisible();
      await expect(push.getByRole('button', { name: 'Approve' })).toBeHidden();
      await expect(page.getByText(/is for (administrators|operators)/)).toBeVisible();
      if (role === 'operator') {
        await push.getByRole('button', { name: `Deny ${user}` }).click();
        await page
          .getByRole('dialog')
          .getByRole('button', { name: `Deny: ${user}` })
          .click();
      } else {
        await expect(push.getByRole('button')).toHaveCount(0);
        const { txid } = await api.waitForApproval(user);
        const path = { txid };
        await good(api.client.POST('/api/v1/second-factor/approvals/{txid}/deny', { params: { path } }));
      }
      expect((await waiting).code).toBe('Access-Reject');

      await page.goto('/second-factor/users/erin');
      await expect(page.getByRole('heading', { level: 1, name: 'erin' })).toBeVisible();
      for (const absent of ['Add a device', 'Invite', 'Create codes', 'Set a script']) {
        await expect(page.getByRole('button', { name: absent })).toHaveCount(0);
      }
      await expect(page.getByRole('button', { name: 'Delete' })).toHaveCount(0);
      await expectFit(page);
    });
  }

  test('an operator is asked before disabling, which only an administrator takes back', async ({
    api,
    context,
    page,
  }) => {
    await api.createUser({ name: 'peggy' });
    const credentials = await api.createAdmin('otto', { role: 'operator' });
    await signInBrowser(context, await api.as('nobody').signIn(credentials));
    await page.goto('/second-factor/users/peggy');
    await page.getByRole('button', { name: 'Change the status' }).click();
    await expect(page.getByRole('menuitem', { name: /Set to bypass/ })).toBeDisabled();
    await page.getByRole('menuitem', { name: /Set to disabled/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disable peggy' }).click();
    await expect(page.getByText('A login is refused.')).toBeVisible();
    expect((await userOf(api, 'peggy')).status).toBe('disabled');
  });
});

test.describe('without an integration that uses it', () => {
  test.use({
    gatewayOptions: {
      variant: 'ready',
      per: 'test',
      configuration: (sample) =>
        configurationOf(sample).replaceAll(
          'api_host=builtin',
          'api_host=127.0.0.1\nikey=DIXXXXXXXXXXXXXXXXXX\nskey=abcdefghijklmnopqrstuvwxyzabcdefghijklmn',
        ),
    },
  });

  test('the page says so, and where to go', async ({ signedInPage: page }) => {
    await page.goto('/second-factor');
    await expect(page.getByText('The built-in second factor is not used')).toBeVisible();
    await expectFit(page);
    await screenshot(page, 'second-factor-unused');
    await page.getByRole('link', { name: 'To the integrations' }).click();
    await expect(page).toHaveURL(/\/integrations$/);
  });
});

test.describe('pictures', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  test('of the pages with people on them', async ({ api, signedInPage: page, sample }) => {
    await api.createUser({
      name: 'mia.keller',
      devices: [totpDevice('Authenticator'), phone({ sms: true })],
    });
    await api.createBypassCodes('mia.keller', 3);
    await api.createUser({ name: 'tom.berg', status: 'bypass', devices: [phone()] });
    await api.createUser({ name: 'uma.roth', status: 'disabled', devices: [totpDevice('token 17')] });
    const mia = {
      port: sample.ports.auto,
      secret: sample.secret,
      user: 'mia.keller',
      attributes: from('203.0.113.7'),
    };
    for (let wrong = 0; wrong < 2; wrong += 1) await login({ ...mia, password: 'anything,00000' });
    await page.goto('/second-factor');
    await expect(page.getByRole('row', { name: /mia/ })).toContainText('2 of 10');
    await expectFit(page);
    await screenshot(page, 'second-factor');
    // On a phone each is a card: nothing of it is cut, and an order is chosen above the list.
    await page.setViewportSize({ width: 360, height: 800 });
    const card = page.getByRole('row', { name: /mia/ });
    await page.getByLabel('Order').selectOption('most wrong passcodes');
    await expect(page).toHaveURL(/sort=-failures/);
    await expect(card.getByText('2 of 10')).toBeInViewport();
    await expect(page.getByRole('button', { name: 'What can be done to mia.keller' })).toBeInViewport();
    expect((await page.getByRole('row').nth(1).textContent()) ?? '').toContain('mia.keller');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto('/second-factor?tab=devices');
    await expect(page.getByRole('row', { name: /mia/ })).toHaveCount(2);
    await expectFit(page);
    await screenshot(page, 'second-factor-devices');

    const waiting = [
      login({ ...mia, patience: 60 }),
      login({ ...mia, user: 'bob', attributes: from('198.51.100.20'), patience: 60 }),
    ];
    await page.goto('/second-factor?tab=approvals');
    await expect(page.getByRole('listitem')).toHaveCount(2);
    await expectFit(page);
    await screenshot(page, 'approvals');
    for (const name of ['mia.keller', 'bob']) {
      const { txid } = await api.waitForApproval(name);
      const path = { txid };
      await good(api.client.POST('/api/v1/second-factor/approvals/{txid}/approve', { params: { path } }));
    }
    for (const one of waiting) expect((await one).code).toBe('Access-Accept');

    await page.goto('/second-factor/users/mia.keller');
    await expect(page.getByRole('link', { name: 'second factor approved' })).toBeVisible();
    // What holds stands below what it holds for, and not far from it.
    const policy = page.getByRole('region', { name: 'Policy' });
    const holds = await policy.getByRole('table').boundingBox();
    const chosen = await policy.getByLabel('Application', { exact: true }).boundingBox();
    expect((holds?.y ?? 999) - (chosen?.y ?? 0) - (chosen?.height ?? 0)).toBeLessThan(40);
    await expectFit(page);
    await screenshot(page, 'second-factor-user');
  });
});
