/** The configuration as text: checked while it is typed, previewed, applied, and in a file. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { expectFocusRing } from './harness/keyboard.ts';
import { login } from './harness/radius.ts';
import { configurationOf } from './harness/sample.ts';
import { screenshot, toTop } from './harness/shots.ts';

const editor = (page: Page) => page.getByRole('textbox', { name: 'Configuration' });
const faults = (page: Page) => page.getByRole('region', { name: 'Faults' });

async function open(page: Page): Promise<void> {
  await page.goto('/configuration');
  await expect(editor(page)).toContainText('[radius_server_auto]');
  await expect(faults(page).getByRole('status')).toContainText(/fault|warning/);
}

/** Opens a text as a file of this machine. */
async function openFile(page: Page, text: string): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Open a file' }).click();
  await (await chooser).setFiles({ name: 'old.cfg', mimeType: 'text/plain', buffer: Buffer.from(text) });
}

async function axeInBoth(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

async function apply(page: Page): Promise<void> {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Apply', exact: true }).click();
  await expect(dialog.getByText(/applied by 1 of 1/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog).toBeHidden();
}

/** A certificate of its own, and its key. */
function makeCertificate(): { certificate: string; key: string } {
  const place = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [certificate, key] = [join(place, 'server.pem'), join(place, 'server.key')];
  try {
    execFileSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=radius.example.com', '-addext', 'subjectAltName=DNS:radius.example.com'],
      ...['-days', '30', '-keyout', key, '-out', certificate],
    ]);
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** Puts the cursor at the end of a line. */
async function atEndOf(page: Page, text: string): Promise<void> {
  await page.locator('.cm-line', { hasText: text }).first().click();
  await page.keyboard.press('End');
}

test.describe('in the database', () => {
  test('a file with faults is opened, mended by completion, applied, and served', async ({
    signedInPage: page,
    sample,
  }) => {
    await open(page);
    const text = configurationOf(sample)
      .replaceAll(sample.secret, 'another-Secret-2')
      .replace('failmode=secure', 'failmode=')
      .replace(/^retries=0$/m, 'retrys=0');
    await openFile(page, text);
    const ask = page.getByRole('dialog');
    await expect(ask.getByText('What is not in it goes')).toBeVisible();
    await ask.getByRole('button', { name: 'Into the editor' }).click();

    // Announced, counted, at their lines, with what to do.
    await expect(faults(page).getByRole('status')).toHaveText(/1 error and [1-9]\d* warnings?/);
    await expect(faults(page).getByText(/did you mean 'retries'/)).toBeVisible();
    const line = text.split('\n').indexOf('failmode=') + 1;
    const fault = faults(page).getByRole('button', { name: new RegExp(`error Line ${line} `) });
    await expect(fault).toContainText('What to do:');
    await axeInBoth(page);
    await fault.click();
    await expect(editor(page)).toBeFocused();
    await expect(page.getByRole('region', { name: 'At the cursor' })).toContainText(`Line ${line}`);
    await expect(page.getByRole('region', { name: 'At the cursor' })).toContainText('rejects');

    await page.keyboard.press('End');
    await page.keyboard.press('Control+Space');
    await expect(page.getByRole('option', { name: 'secure' })).toBeVisible();
    await toTop(page);
    await screenshot(page, 'configuration');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect(faults(page).getByRole('status')).toHaveText(/^[1-9]\d* warnings?$/);

    await page.keyboard.press('Control+s');
    const preview = page.getByRole('dialog', { name: 'What would change' });
    await expect(preview.getByText(/radius_server_auto2/).first()).toBeVisible();
    await expect(preview).not.toContainText('another-Secret-2');
    await preview.getByRole('textbox', { name: 'Why' }).fill('another secret');
    await axeInBoth(page);
    await apply(page);
    const answer = await login({ port: sample.ports.auto, secret: 'another-Secret-2', user: 'alice' });
    expect(answer.code).toBe('Access-Accept');
  });

  test('secrets stay as they are when something else is changed', async ({
    signedInPage: page,
    sample,
    api,
  }) => {
    await api.importConfig(configurationOf(sample));
    await open(page);
    await expect(editor(page)).not.toContainText(sample.secret);
    await atEndOf(page, '[radius_server_auto]');
    await page.keyboard.press('Enter');
    await page.keyboard.type('exempt_username_1=zoe');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Preview changes' }).click();
    const preview = page.getByRole('dialog', { name: 'What would change' });
    await expect(preview.getByText('1 change', { exact: true })).toBeVisible();
    await expect(preview.getByText('zoe')).toBeVisible();
    await apply(page);
    const exempt = await login({ port: sample.ports.auto, secret: sample.secret, user: 'zoe' });
    expect(exempt.code).toBe('Access-Accept');
    // The text is read again, and nothing of it waits.
    await expect(page.getByText('Not applied yet')).toBeHidden();
  });

  test('a text with EAP wants its private key, under whatever name one has it', async ({
    signedInPage: page,
    sample,
    api,
  }) => {
    const { certificate, key } = makeCertificate();
    const text = `${configurationOf(sample)}
[radius_server_eap]
api_host=builtin
client=radius_client
port=${sample.ports.spare}
radius_ip_1=127.0.0.0/8
radius_secret_1=${sample.secret}
certs=server.pem
pkey=server.key
`;
    await good(
      api.client.POST('/api/v1/config/import', {
        body: { text, name: 'authproxy.cfg', files: { 'server.pem': certificate, 'server.key': key } },
      }),
    );
    await open(page);
    const wanted = page.getByRole('alert').filter({ hasText: 'Its private key is needed to apply it' });
    await expect(wanted).toBeVisible();
    await expect(wanted.getByRole('link', { name: 'To the integrations' })).toBeVisible();
    await axeInBoth(page);
    await atEndOf(page, '[radius_server_auto]');
    await page.keyboard.press('Enter');
    await page.keyboard.type('exempt_username_1=zoe');
    await page.keyboard.press('Escape');
    const chooser = page.waitForEvent('filechooser');
    await wanted.getByRole('button', { name: /^Add radius_server_eap.*pkey/ }).click();
    await (await chooser).setFiles({
      name: 'from-the-safe.key',
      mimeType: 'text/plain',
      buffer: Buffer.from(key),
    });
    await expect(wanted).toBeHidden();
    await page.getByRole('button', { name: 'Preview changes' }).click();
    // The key is the one that is set, so nothing but the line that was typed is changed.
    await expect(page.getByRole('dialog').getByText('1 change', { exact: true })).toBeVisible();
    await apply(page);
    await expect(wanted).toBeVisible();
  });

  test('a file is added to what there is', async ({ signedInPage: page, sample, api }) => {
    await api.importConfig(configurationOf(sample));
    await open(page);
    const more = `[duo_only_client2]\n[radius_server_duo_only]\napi_host=builtin\nclient=duo_only_client2\nport=${sample.ports.spare}\nradius_ip_1=127.0.0.0/8\nradius_secret_1=more-Secret-3\n`;
    await openFile(page, more);
    await page.getByRole('radio', { name: 'Add to what there is' }).check();
    await page.getByRole('button', { name: 'Into the editor' }).click();
    await expect(page.getByText('This text is added to what there is')).toBeVisible();
    await page.getByRole('button', { name: 'Preview changes' }).click();
    await expect(page.getByRole('dialog').getByText('2 changes')).toBeVisible();
    await apply(page);
    // The whole of it is in the editor then.
    await expect(editor(page)).toContainText('[radius_server_auto]');
    const [pushed] = await Promise.all([
      login({ port: sample.ports.spare, secret: 'more-Secret-3', user: 'alice', password: 'push' }),
    ]);
    expect(pushed.code).toBe('Access-Accept');
  });

  test('somebody else’s change is told, and is not written over', async ({
    signedInPage: page,
    sample,
    api,
  }) => {
    await api.importConfig(configurationOf(sample));
    await open(page);
    await api.importConfig(configurationOf(sample).replace('retry_wait=1', 'retry_wait=3'));
    await atEndOf(page, '[radius_server_auto]');
    await page.keyboard.press('Enter');
    await page.keyboard.type('exempt_username_1=yves');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+s');
    const both = page.getByRole('dialog', { name: 'It has been changed in the meantime' });
    await expect(both.getByText('− retry_wait=3')).toBeVisible();
    await expect(both.getByText('+ exempt_username_1=yves')).toBeVisible();
    await both.getByRole('button', { name: 'Load the current one, discard mine' }).click();
    await expect(editor(page)).toContainText('retry_wait=3');
    await expect(editor(page)).not.toContainText('yves');
  });

  test('the keyboard comes in and gets out, and unsaved text is guarded', async ({ signedInPage: page }) => {
    await open(page);
    await page.getByRole('button', { name: 'Download' }).focus();
    await page.keyboard.press('Tab');
    await expect(editor(page)).toBeFocused();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('\n[m');
    await expect(page.getByRole('option', { name: /\[main\]/ })).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('option')).toHaveCount(0);
    await page.keyboard.press('Tab');
    await expect(editor(page)).not.toBeFocused();
    const away = faults(page).getByRole('button').or(page.getByRole('radio')).first();
    await expect(away).toBeVisible();
    await page.getByRole('link', { name: 'Revisions' }).click();
    const guard = page.getByRole('dialog', { name: 'Leave the configuration without saving?' });
    await guard.getByRole('button', { name: 'Stay' }).last().click();
    await expect(page).toHaveURL(/configuration$/);
    await page.getByRole('button', { name: 'Download' }).focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Shift+Tab');
    await expectFocusRing(page, page.getByRole('button', { name: 'Download' }));
  });

  test('who may not change it reads it, without secrets', async ({ page, api, gateway }) => {
    const viewer = await api.createAdmin('vera', { role: 'viewer' });
    const signedIn = await api.as('nobody').signIn(viewer);
    const caller = signedIn.caller as { session: string };
    await page.context().addCookies([{ name: 'countersign', value: caller.session, url: gateway.adminUrl }]);
    await page.goto('/configuration');
    await expect(editor(page)).toContainText('[secret]');
    await expect(page.getByText('The role admin may change it')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Preview changes' })).toHaveCount(0);
  });
});

test.describe('before there is any', () => {
  test.use({ gatewayOptions: { variant: 'fresh' } });

  test('it is begun with a file', async ({ page, gateway, api, sample }) => {
    const first = await api.createAdmin('nora', { setupLink: gateway.setupLink });
    const { caller } = await api.signIn(first);
    const { session } = caller as { session: string };
    await page.context().addCookies([{ name: 'countersign', value: session, url: gateway.adminUrl }]);
    await page.goto('/configuration');
    await expect(page.getByText('There is no configuration yet')).toBeVisible();
    await expect(editor(page)).toBeVisible();
    await expectNoSeriousAxe(page);
    await openFile(page, configurationOf(sample));
    await page.getByRole('button', { name: 'Preview changes' }).click();
    await apply(page);
    await expect(editor(page)).toContainText('radius_secret_protected_1=sealed:');
    await expect(page.getByText('There is no configuration yet')).toBeHidden();
  });
});

test.describe('in a file', () => {
  test.use({ gatewayOptions: { variant: 'file', per: 'test' } });

  test('it is edited where it is: comments and secrets stay, what changed meanwhile is told', async ({
    signedInPage: page,
    gateway,
    sample,
    api,
  }) => {
    const file = gateway.configurationFile;
    // From a machine with Windows, as most of them are.
    const before = `; kept as it was typed\n${readFileSync(file, 'utf8')}`.replaceAll('\n', '\r\n');
    writeFileSync(file, before);
    await open(page);
    await expect(editor(page)).toContainText('; kept as it was typed');
    await expect(page.getByText('Not applied yet')).toBeHidden();
    await expect(editor(page)).not.toContainText(sample.secret);
    await atEndOf(page, '[radius_server_auto]');
    await page.keyboard.press('Enter');
    await page.keyboard.type('exempt_username_1=zoe');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+s');
    await expect(page.getByRole('dialog').getByText('zoe')).toBeVisible();
    await apply(page);
    const written = before.replace('[radius_server_auto]', '[radius_server_auto]\r\nexempt_username_1=zoe');
    expect(readFileSync(file, 'utf8')).toBe(written);
    await api.waitForRevisionApplied(2);
    const exempt = await login({ port: sample.ports.auto, secret: sample.secret, user: 'zoe' });
    expect(exempt.code).toBe('Access-Accept');

    // Another editor, on the disk.
    const theirs = written.replace('exempt_username_1=zoe', 'exempt_username_1=yves');
    writeFileSync(file, theirs);
    await atEndOf(page, '[radius_server_auto2]');
    await page.keyboard.press('Enter');
    await page.keyboard.type('; mine');
    await page.keyboard.press('Control+s');
    const both = page.getByRole('dialog', { name: 'The file has been changed in the meantime' });
    await expect(both.getByText('− exempt_username_1=yves')).toBeVisible();
    await expect(both.getByText('+ ; mine')).toBeVisible();
    await axeInBoth(page);
    expect(readFileSync(file, 'utf8')).toBe(theirs);
  });
});
