/** Logins: live, found, explained; and one that is tried. */

import type { Page } from '@playwright/test';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { tabTo, tabToElement } from './harness/keyboard.ts';
import { answerChallenge, login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { screenshot } from './harness/shots.ts';

/** The rows of the list, its head aside. */
const rows = (page: Page) => page.getByTestId('rows').getByRole('row');
const rowOf = (page: Page, text: string | RegExp) => rows(page).filter({ hasText: text });
const live = (page: Page) => page.getByRole('status').filter({ hasText: /^live$/ });
const auto = (sample: Sample, user: string) =>
  login({ port: sample.ports.auto, secret: sample.secret, user });

async function bothColours(page: Page, check: () => Promise<void>): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await check();
  }
}

test('an empty list says what to do, and the first login appears in it by itself', async ({
  signedInPage: page,
  sample,
}) => {
  await page.goto('/logins');
  await expect(page.getByRole('heading', { name: 'No login yet' })).toBeVisible();
  await expect(live(page)).toBeVisible();
  await page.evaluate(() => {
    (window as { same?: boolean }).same = true;
  });
  await auto(sample, 'alice');
  await expect(rowOf(page, 'alice')).toContainText('accepted');
  await auto(sample, 'carol');
  await expect(rows(page).first()).toContainText('carol');
  await expect(rows(page).first()).toContainText('rejected');
  await expect(rows(page).first()).toContainText('denied');
  expect(await page.evaluate(() => (window as { same?: boolean }).same), 'it was not loaded again').toBe(
    true,
  );
});

test('a login that fails is opened and explained, with its timeline and its configuration', async ({
  signedInPage: page,
  sample,
}) => {
  await page.goto('/logins');
  await expect(live(page)).toBeVisible();
  await login({ port: sample.ports.down, secret: sample.secret, user: 'frank' });
  await rowOf(page, 'frank').click();
  const drawer = page.getByRole('dialog', { name: 'Login' });
  await expect(drawer).toContainText('frank was rejected: the RADIUS server of radius_client did not answer');
  await expect(drawer.getByRole('listitem').filter({ hasText: 'Password' })).toContainText(
    `127.0.0.1:${sample.deadPort}`,
  );
  await expect(drawer.getByRole('listitem').filter({ hasText: 'Access-Reject' })).toContainText('Answer');
  await expect(drawer).toContainText('Your password cannot be checked now.');

  // The address of the list with the login open is as good as that of the login.
  await page.reload();
  await expect(drawer).toContainText('frank was rejected');
  await drawer.getByRole('link', { name: 'On a page of its own' }).click();
  await expect(page).toHaveURL(/\/logins\/[0-9a-f]{32}$/);
  await page.reload();
  await expect(page.getByRole('group', { name: 'Rejected' })).toContainText('did not answer in time');
  await expect(page.getByRole('link', { name: /^revision \d+$/ })).toHaveAttribute(
    'href',
    /\/revisions\/\d+$/,
  );
  await bothColours(page, () => expectNoSeriousAxe(page));
  await screenshot(page, 'login');

  await page.getByRole('link', { name: 'Other logins of this user' }).click();
  await expect(page).toHaveURL(/\/logins\?user=frank$/);
  await expect(rows(page)).toHaveCount(1);
});

test('a user whom the second factor does not know is said to be so, and added', async ({
  signedInPage: page,
  sample,
  api,
}) => {
  await auto(sample, 'mallory');
  const { id } = await api.waitForEvent({ user: 'mallory' });
  await page.goto(`/logins/${id}`);
  const why = page.getByRole('group', { name: 'Rejected' });
  await expect(why).toContainText('the second factor does not know this user');
  await expect(why).toContainText('countersign factor add mallory');
  await expect(page.getByRole('listitem').filter({ hasText: 'Second factor: who' })).toContainText(
    'not enrolled',
  );
  await bothColours(page, () => expectNoSeriousAxe(page));
  await screenshot(page, 'login-unknown');
  await why.getByRole('link', { name: 'Add mallory to the second factor' }).click();
  await page.getByRole('button', { name: 'Add mallory' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Add the user' }).click();
  await expect(page.getByRole('heading', { name: 'mallory', level: 1 })).toBeVisible();
  // The login says what is to be done by now.
  await page.goto(`/logins/${id}`);
  await expect(why).toContainText('knows no device of this user');
  await expect(page.getByRole('link', { name: 'mallory', exact: true })).toHaveAttribute(
    'href',
    '/second-factor/users/mallory',
  );
});

test('an id that nobody knows is said to be so', async ({ signedInPage: page }) => {
  await page.goto(`/logins/${'0'.repeat(32)}`);
  await expect(page.getByRole('heading', { name: 'No login has this id' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'To the logins' })).toBeVisible();
});

test('a login with a question is one row, while it goes on too', async ({ signedInPage: page, sample }) => {
  await page.goto('/logins?integration=radius_server_challenge');
  await expect(live(page)).toBeVisible();
  const request = { port: sample.ports.challenge, secret: sample.secret, user: 'bob' };
  const question = await login(request);
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page).first()).toContainText('asked');
  await rows(page).first().click();
  const drawer = page.getByRole('dialog', { name: 'Login' });
  await expect(drawer).toContainText('bob was asked for a second factor');
  await expect(page.getByText('paused while this is open')).toBeAttached();
  await answerChallenge(request, question, sample.bypassCodes.shift() ?? '');
  // Who looks at it sees how it ends.
  await expect(drawer).toContainText('bob was let in');
  await expect(drawer).toContainText('Request 2 of 2');
  await page.keyboard.press('Escape');
  await expect(drawer).toBeHidden();
  await page.reload();
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page).first()).toContainText('accepted');
  await expect(rows(page).first()).toContainText('2 requests');
});

test('filters are in the address, survive, and are taken away one by one', async ({
  signedInPage: page,
  sample,
}) => {
  for (const user of ['alice', 'carol', 'dave']) await auto(sample, user);
  await page.goto('/logins');
  await page.getByRole('combobox', { name: 'Outcome' }).click();
  await page.getByRole('option', { name: 'rejected' }).click();
  await page.getByRole('combobox', { name: 'Time' }).click();
  await page.getByRole('option', { name: 'last hour' }).click();
  await page.getByRole('button', { name: 'More filters' }).click();
  await page.getByLabel('User', { exact: true }).fill('carol');
  await page.getByLabel('User', { exact: true }).press('Enter');
  await expect(page).toHaveURL(/outcome=reject/);
  await expect(page).toHaveURL(/user=carol/);
  await expect(rowOf(page, 'dave')).toHaveCount(0);
  await page.reload();
  const used = page.getByRole('group', { name: 'Filters in use' });
  await expect(used).toContainText('outcome: rejected');
  await expect(used).toContainText('user: carol');
  await expect(rowOf(page, 'carol').first()).toBeVisible();
  await expect(rowOf(page, 'dave')).toHaveCount(0);

  // The stream has the same ones.
  await expect(live(page)).toBeVisible();
  const before = await rows(page).count();
  await auto(sample, 'dave');
  await auto(sample, 'carol');
  await expect(rows(page)).toHaveCount(before + 1);

  await page.getByRole('button', { name: 'Remove the filter user: carol' }).click();
  await expect(page).not.toHaveURL(/user=/);
  await expect(rowOf(page, 'dave').first()).toBeVisible();
  await expect(rowOf(page, 'alice')).toHaveCount(0);
  await page.getByRole('button', { name: 'Remove all' }).click();
  await expect(rowOf(page, 'alice').first()).toBeVisible();

  await page.getByRole('button', { name: 'More filters' }).click();
  await page.getByLabel('Client', { exact: true }).fill('router');
  await page.getByLabel('Client', { exact: true }).press('Enter');
  await expect(page.getByText('An IP address, such as 192.0.2.10')).toBeVisible();
});

test('what is found can be taken along', async ({ signedInPage: page, sample }) => {
  await auto(sample, 'alice');
  await page.goto('/logins?user=alice');
  await page.getByRole('button', { name: 'Export' }).click();
  const began = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: /CSV/ }).click();
  const download = await began;
  expect(download.suggestedFilename()).toBe('countersign-events.csv');
  const stream = await download.createReadStream();
  const text = (await stream.toArray()).join('');
  expect(text).toContain('alice');
  expect(text).not.toContain('carol');
});

test('what is read does not move: new logins are counted', async ({ signedInPage: page, sample }) => {
  await auto(sample, 'alice');
  await page.goto('/logins');
  await expect(live(page)).toBeVisible();
  const top = await rows(page).first().getAttribute('data-id');
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('status').filter({ hasText: /^paused$/ })).toBeVisible();
  await auto(sample, 'carol');
  await auto(sample, 'dave');
  await expect(page.getByRole('button', { name: '2 new' })).toBeVisible();
  expect(await rows(page).first().getAttribute('data-id')).toBe(top);
  await page.getByRole('button', { name: '2 new' }).click();
  await expect(rows(page).first()).toContainText('dave');
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect(live(page)).toBeVisible();
});

test('all of it goes by keyboard', async ({ signedInPage: page, sample }) => {
  for (const user of ['alice', 'carol', 'alice']) await auto(sample, user);
  await page.goto('/logins');
  await expect(live(page)).toBeVisible();
  await tabTo(page, 'textbox', 'Contains');
  await page.keyboard.type('alice');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/text=alice/);
  await expect(rowOf(page, 'carol')).toHaveCount(0);
  await expect(rowOf(page, 'alice').nth(1)).toBeVisible();
  await tabToElement(page, page.locator('[role=row][tabindex="0"]'));
  await page.keyboard.press('ArrowDown');
  const second = await rows(page).nth(1).getAttribute('data-id');
  await expect(page.locator(`[data-id="${second}"]`)).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'Login' })).toContainText('alice was let in');
  await expect(page).toHaveURL(new RegExp(`open=%22?${second}|open=${second}`));
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Login' })).toBeHidden();
  await expect(page.locator(`[data-id="${second}"]`)).toBeFocused();
  await page.keyboard.press('End');
  await expect(rows(page).last()).toBeFocused();
  await page.keyboard.press('Home');
  await expect(rows(page).first()).toBeFocused();
});

test('a login is tried, and its question is answered', async ({ signedInPage: page }) => {
  await page.goto('/try-login?user=alice&integration=radius_server_challenge');
  await expect(page.getByText('A push is really sent')).toBeVisible();
  const password = page.getByLabel('Password', { exact: true });
  await password.fill('do-not-keep-this');
  await page.getByRole('button', { name: 'Log in' }).click();
  const answer = page.getByLabel('The user’s answer');
  await expect(answer).toBeFocused();
  await expect(page.getByRole('form', { name: 'The question' })).toContainText('1. Duo Push to XXX-XXX-0100');
  await expect(password).toHaveValue('');
  expect(page.url()).not.toContain('do-not-keep-this');
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  expect(stored).not.toContain('do-not-keep-this');
  await bothColours(page, () => expectNoSeriousAxe(page));
  await screenshot(page, 'try-login');

  // Whom the form is about by then does not matter: the answer is of the login that was begun.
  await page.getByRole('textbox', { name: 'User', exact: true }).fill('somebody-else');
  await answer.fill('1');
  await page.keyboard.press('Enter');
  const result = page.getByRole('region', { name: 'Result' });
  await expect(result).toContainText('the push was approved');
  await expect(result).toContainText('nobody was let in anywhere');
  await expect(result).toContainText('Request 2 of 2');
  await expect(result).toBeFocused();
  await bothColours(page, () => expectNoSeriousAxe(page));
  await result.getByRole('link', { name: 'This test among the logins' }).click();
  await expect(page.getByRole('group', { name: 'Accepted' })).toContainText('This was a test');

  // It is a test among the logins, and can be hidden there.
  await page.goto('/logins?test=true');
  await expect(rows(page).first()).toContainText('test');
  await page.goto('/logins?test=false');
  await expect(page.getByText('tests: hidden')).toBeVisible();
  await expect(rowOf(page, 'test')).toHaveCount(0);
});

test('a login is tried while a phone rings, and stopped', async ({ signedInPage: page, api }) => {
  await page.goto('/try-login?user=bob&integration=radius_server_auto');
  await page.getByLabel('Password', { exact: true }).fill('any');
  await page.getByRole('button', { name: 'Log in' }).click();
  await api.waitForApproval('bob');
  await expect(page.getByText('Asking the user’s phone')).toBeVisible();
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText('Asking the user’s phone')).toBeHidden();
  const stopped = await api.waitForEvent({ user: 'bob', integration: 'radius_server_auto', test: true });
  expect(stopped.outcome).toBe('unanswered');
});

test('a fault stands at its field', async ({ signedInPage: page }) => {
  await page.goto('/try-login?user=alice&integration=radius_server_auto');
  await page.getByLabel('Password', { exact: true }).fill('ä'.repeat(128));
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByText('Has at most 128 octets')).toBeVisible();
});

test('everybody can use it, in every light', async ({ signedInPage: page, sample }) => {
  const down = { port: sample.ports.down, secret: sample.secret, user: 'frank' };
  for (const user of ['alice', 'carol', 'dave', 'erin', 'alice']) await auto(sample, user);
  await login(down);
  await page.goto('/logins');
  await expect(rowOf(page, 'frank').first()).toBeVisible();
  await expect(live(page)).toBeVisible();
  await bothColours(page, () => expectNoSeriousAxe(page));
  await screenshot(page, 'logins');
  await page.setViewportSize({ width: 360, height: 800 });
  await expectNoSeriousAxe(page);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole('button', { name: 'More filters' }).click();
  await rows(page).first().click();
  await expect(page.getByRole('dialog', { name: 'Login' })).toContainText('What happened');
  await bothColours(page, () => expectNoSeriousAxe(page));
});
