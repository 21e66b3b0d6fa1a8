/** From nothing to a first login: by five questions, and by a file that is there already. */

import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import type { Api } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import type { Gateway } from './harness/gateway.ts';
import { freePort } from './harness/ports.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';
import { totp } from './harness/totp.ts';

const NEXT = { name: 'Next', exact: true };

async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

/** Somebody who is signed in at a gateway without a configuration. */
async function signIn(gateway: Gateway, page: Page): Promise<Api> {
  const admin = await gateway.api.createAdmin('olga', { setupLink: gateway.setupLink });
  const api = await gateway.api.signIn(admin);
  await signInBrowser(page.context(), api);
  return api;
}

test.describe('without a configuration', () => {
  test.use({ gatewayOptions: { variant: 'fresh', per: 'test' } });

  test('five questions lead to a login of a real device', async ({ gateway, page }) => {
    test.setTimeout(300_000);
    // Through the set-up link, as the one who installed it.
    await page.goto(gateway.setupLink);
    await page.getByLabel('Your name here').fill('olga');
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
    const own = (await page.locator('code.mono').first().innerText()).replace(/\s/g, '');
    await page.getByLabel(/^Password/).fill('correct horse battery');
    await page.getByLabel(/^The password again/).fill('correct horse battery');
    await page.getByLabel('Passcode').fill(await totp(own));
    await page.getByRole('button', { name: 'Finish and sign in' }).click();
    await expect(page).toHaveURL(/\/welcome$/);
    await screenshot(page, 'wizard-start');
    await expectAccessible(page);

    await page.getByRole('button', { name: 'Begin with questions' }).click();
    await expect(page.getByRole('heading', { name: 'Which device asks?' })).toBeFocused();
    await page.getByRole('radio', { name: 'strongSwan' }).click();
    await screenshot(page, 'wizard-device');
    await expectAccessible(page);
    await page.getByRole('button', NEXT).click();

    await page.getByRole('button', NEXT).click();
    await expect(page.getByText('Fill this in.')).toBeVisible();
    await expect(page.getByLabel('Address of the device')).toBeFocused();
    // What only the gateway knows to be wrong is said at its field too.
    await page.getByLabel('Address of the device').fill('10.0.0.300');
    await page.getByRole('button', NEXT).click();
    await expect(page.getByLabel('Address of the device')).toHaveAccessibleDescription(/10\.0\.0\.300/);
    await expect(page.getByLabel('Address of the device')).toBeFocused();
    await screenshot(page, 'wizard-address-fault');
    await page.getByLabel('Address of the device').fill('127.0.0.0/8');
    const port = await freePort();
    await page.getByLabel('UDP port').fill(String(port));
    await screenshot(page, 'wizard-address');
    await expectAccessible(page);
    await page.getByRole('button', NEXT).click();

    await expectAccessible(page);
    await page.getByRole('radio', { name: 'The device itself' }).click();
    await screenshot(page, 'wizard-primary');
    await page.getByRole('button', NEXT).click();
    await page.getByLabel('First user').fill('alice');
    await screenshot(page, 'wizard-factor');
    await expectAccessible(page);
    // Back and forward keep what was typed.
    await page.getByRole('button', { name: 'Back', exact: true }).click();
    await expect(page.getByRole('radio', { name: 'The device itself' })).toBeChecked();
    await page.getByRole('button', NEXT).click();
    await expect(page.getByLabel('First user')).toHaveValue('alice');
    await page.getByRole('button', NEXT).click();
    await expect(page.getByRole('radio', { name: 'Without a prompt (auto)' })).toBeChecked();
    await screenshot(page, 'wizard-mode');
    await expectAccessible(page);

    // Who leaves is asked.
    await page.getByRole('link', { name: 'Overview' }).click();
    await expect(page.getByRole('dialog', { name: 'Leave the set-up without saving?' })).toBeVisible();
    await page.getByRole('button', { name: 'Stay' }).last().click();
    await page.getByRole('button', NEXT).click();

    const said = page.getByRole('region', { name: 'Your answers', exact: true });
    await expect(said).toContainText('Requests come from 127.0.0.0/8');
    await expect(
      page.getByText('Added: authenticator duo_only_client, integration radius_server_auto.'),
    ).toBeVisible();
    // It was written here: nothing of another product is told.
    await expect(page.getByText(/Duo Authentication Proxy did otherwise/)).toHaveCount(0);
    await said.getByRole('button', { name: 'Change: Second factor' }).click();
    await expect(page.getByLabel('First user')).toHaveValue('alice');
    await page.getByRole('button', NEXT).click();
    await page.getByRole('button', NEXT).click();
    const text = page.getByLabel('The configuration file', { exact: true });
    await expect(text).toBeHidden();
    await expect(text).toContainText('radius_secret_1=••••••••');
    await expect(page.getByText(/^It can be served/)).toBeVisible();
    await expect(page.getByRole('heading', { name: 'What changes' })).toBeVisible();
    await screenshot(page, 'wizard-review');
    await expectAccessible(page);
    await page.getByText('As a configuration file').click();
    await page.getByRole('switch', { name: 'Show secrets' }).press(' ');
    await expect(text).toContainText('message_authenticator_1=require');
    const secret = /radius_secret_1=(\S+)/.exec(await text.innerText())?.[1] ?? '';
    expect(secret).toMatch(/^[\w]{24}$/);
    await page.getByRole('button', { name: 'Apply', exact: true }).click();

    await expect(page.getByText(/^All \d+ things that were tried are good\.$/)).toBeVisible({
      timeout: 60_000,
    });
    await expect(page.getByText('Revision 1: applied by 1 of 1')).toBeVisible();
    await screenshot(page, 'wizard-check');
    await expectAccessible(page);
    await page.getByRole('button', NEXT).click();

    await page.getByRole('button', { name: 'Create the user' }).click();
    await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible();
    const device = (await page.locator('code.mono').first().innerText()).replace(/\s/g, '');
    await expectAccessible(page);
    await expect(page.getByLabel(/^User/)).toHaveValue('alice');
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill('anything,000000');
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await expect(page.getByText('What to do:')).toBeVisible();
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(`anything,${await totp(device)}`);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await expect(page.getByText('This was a test by an administrator')).toBeVisible();
    await expect(page.getByRole('button', NEXT)).toBeVisible();
    await page.getByText('This was a test by an administrator').scrollIntoViewIfNeeded();
    await screenshot(page, 'wizard-login');
    await expectAccessible(page);
    await page.getByRole('button', NEXT).click();

    // Nothing to take along before it has the gateway's address.
    await expect(page.getByText(/ADDRESS-OF-THIS-GATEWAY/).first()).toBeVisible();
    await expect(page.getByRole('button', { name: /^Copy: (Text|conf|sh)/ })).toHaveCount(0);
    await screenshot(page, 'wizard-settings-empty');
    await page.getByLabel('Address of this gateway').fill('127.0.0.1');
    const settings = page.getByText(/^charon \{/);
    await expect(settings).toContainText('address = 127.0.0.1');
    await expect(settings).toContainText(`auth_port = ${port}`);
    await expect(settings).toContainText(`secret = ${secret}`);
    await screenshot(page, 'wizard-settings');
    await expectAccessible(page);

    // A device with exactly what is printed.
    const printed = await settings.innerText();
    const found = (pattern: RegExp) => pattern.exec(printed)?.[1] ?? '';
    const answer = await login({
      port: Number(found(/auth_port = (\d+)/)),
      secret: found(/secret = (\S+)/),
      user: 'alice',
      password: `anything,${await totp(device)}`,
    });
    expect(answer.code).toBe('Access-Accept');

    // What is done is done: leaving asks nothing any more.
    await page.getByRole('link', { name: 'To the overview' }).click();
    await expect(page).toHaveURL(`${gateway.adminUrl}/`);
  });

  test('a file with faults is explained, mended and taken over', async ({ gateway, page }) => {
    const api = await signIn(gateway, page);
    const port = await freePort();
    await page.goto('/welcome');
    await page.getByRole('button', { name: 'Bring a file' }).click();
    await page.getByRole('button', { name: 'Review' }).click();
    await expect(page.getByText('Drop, choose or paste a file first.')).toBeVisible();
    const text = `; of the old machine
[duo_only_client]

[radius_server_auto]
api_host=builtin
client=duo_only_client
failmode=sure
port=${port}
radius_ip_1=127.0.0.0/8
radius_secret_1=psst-psst-psst
prt=1
`;
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Choose files' }).click();
    await (await chooser).setFiles([
      { name: 'ca.pem', mimeType: 'text/plain', buffer: Buffer.from('not a certificate\n') },
      { name: 'authproxy.cfg', mimeType: 'text/plain', buffer: Buffer.from(text) },
    ]);
    const editor = page.getByRole('textbox', { name: 'Its text' });
    await expect(editor).toContainText('failmode=sure');
    await expect(page.getByRole('region', { name: 'Faults' })).toContainText('Line 7');
    await expect(page.getByRole('group', { name: 'Files that go along' })).toContainText('ca.pem');
    await screenshot(page, 'wizard-file');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Review' }).click();

    const fault = page.getByRole('list', { name: 'Faults' }).getByRole('listitem').first();
    await expect(fault).toContainText('Line 7');
    await expect(fault).toContainText('failmode');
    await expect(fault).toContainText('What to do:');
    await expect(page.getByText(/it cannot be served like this/)).toBeVisible();
    await expect(page.getByRole('button', { name: 'Apply' })).toHaveCount(0);
    await screenshot(page, 'wizard-faults');
    await expectAccessible(page);

    // A fault leads to its line.
    await expect(page.getByRole('row', { name: /radius_ip_1/ })).toContainText('not taken over');
    await fault.getByRole('button', { name: 'To line 7' }).click();
    await expect(editor).toBeFocused();
    await expect(page.locator('.cm-activeLine')).toHaveText('failmode=sure');
    await screenshot(page, 'wizard-mend');
    await expectAccessible(page);
    await page.keyboard.press('End');
    for (let octet = 0; octet < 3; octet++) await page.keyboard.press('Backspace');
    await page.keyboard.type('ecure');
    await page.keyboard.press('Escape');
    await expect(page.getByRole('region', { name: 'Faults' })).not.toContainText('error');
    await page.getByRole('button', { name: 'Leave out ca.pem' }).click();
    await page.getByRole('button', { name: 'Review' }).click();
    await expect(page.getByRole('row', { name: /prt/ })).toContainText('ignored');
    await expect(page.getByRole('row', { name: /failmode/ })).toContainText('fail_mode');
    await page.getByRole('button', { name: 'Apply', exact: true }).click();
    await expect(page.getByText('Revision 1: applied by 1 of 1')).toBeVisible();
    await expect(page.getByText(/things that were tried/)).toBeVisible({ timeout: 60_000 });
    const served = await api.client.GET('/api/v1/integrations');
    expect(served.data?.items.map(({ id }) => id)).toEqual(['radius_server_auto']);
  });
});

test.describe('where a file is the truth', () => {
  test.use({ gatewayOptions: { variant: 'file', per: 'test' } });

  test('the way ends with a text for it', async ({ gateway, signedInPage: page }) => {
    await page.goto('/welcome');
    await expect(page.getByText('A file is the truth here')).toBeVisible();
    await page.getByRole('button', { name: 'Begin with questions' }).click();
    await page.getByRole('button', NEXT).click();
    await page.getByLabel('Address of the device').fill('10.0.0.1');
    await page.getByRole('button', NEXT).click();
    await page.getByRole('radio', { name: 'The device itself' }).click();
    await page.getByRole('button', NEXT).click();
    await page.getByRole('button', NEXT).click();
    await page.getByRole('button', NEXT).click();
    // Names that are there already are passed by.
    await expect(page.getByLabel('The configuration file', { exact: true })).toContainText(
      '[radius_server_auto3]',
    );
    await expect(page.getByText(gateway.configurationFile)).toBeVisible();
    await page.getByRole('button', { name: 'Replace the file with this text' }).click();
    const asked = page.getByRole('dialog', { name: `Replace ${gateway.configurationFile}?` });
    // What is lost by it is shown before it is done.
    await expect(asked.getByRole('group', { name: 'Changes' })).toContainText('radius_server_auto');
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await readFile(gateway.configurationFile, 'utf8')).not.toContain('[radius_server_auto3]');
    await page.getByRole('button', { name: 'Replace the file with this text' }).click();
    await asked.getByRole('button', { name: 'Replace the file' }).click();
    await expect(page.getByRole('heading', { name: 'Can everything be reached?' })).toBeVisible();
    expect(await readFile(gateway.configurationFile, 'utf8')).toContain('[radius_server_auto3]');
  });
});
