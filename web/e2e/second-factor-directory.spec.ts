/** People of a directory: a real slapd is asked, and the users here follow it. */

import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { Directory } from './harness/directory.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 180_000 });

test.use({
  gatewayOptions: {
    variant: 'ready',
    per: 'test',
    configuration: ({ ports, secret }) => `${Directory.section(ports.spare)}
[radius_server_auto]
api_host=builtin
client=ad_client
port=${ports.auto}
radius_ip_1=127.0.0.0/8
radius_secret_1=${secret}
`,
  },
});

/** Axe, in both colours. */
async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

test('the people of a group are looked at, taken in, log in, and follow the directory', async ({
  api,
  signedInPage: page,
  sample,
}) => {
  const directory = await Directory.start(sample.ports.spare, ['petra', 'quirin', 'rolf', 'rolf']);
  try {
    await page.goto('/second-factor');
    const form = page.getByRole('dialog', { name: 'Import users from a directory' });
    const open = async () => {
      await page.getByRole('button', { name: 'Import users' }).click();
      await page.getByRole('menuitem', { name: 'From a directory' }).click();
      await expect(form.getByLabel('Directory', { exact: true })).toHaveValue('ad_client');
    };
    const look = form.getByRole('button', { name: 'See what would change' });
    await open();
    await form.getByLabel('Group there').fill('cn=nobody,dc=example,dc=com');
    await look.click();
    await expect(form.getByRole('alert')).toBeVisible();
    await form.getByLabel('Group there').fill(Directory.GROUP);
    await expect(form.getByRole('alert')).toBeHidden();
    await form.getByLabel('Group here').fill('Staff');
    await look.click();
    // That one name is there twice stops nobody else.
    await expect(form.getByText('3 new users. Left out, as not possible: 1.')).toBeVisible();
    await expect(form.getByRole('row', { name: /refused/ })).toContainText('another entry of that name');
    await expectFit(page);
    await screenshot(page, 'second-factor-sync');
    // Until then, nothing was done.
    const before = await good(api.client.GET('/api/v1/second-factor/users'));
    expect(before.items).toEqual([]);
    await form.getByRole('button', { name: 'Take in 3 users' }).click();
    await expect(form).toBeHidden();
    await expect(page.getByRole('row', { name: /petra/ })).toContainText('petra Example · Staff');

    const [code] = await api.createBypassCodes('petra', 1);
    const petra = { port: sample.ports.auto, secret: sample.secret, user: 'petra' };
    expect((await login({ ...petra, password: `pw-petra,${code}` })).code).toBe('Access-Accept');

    // One is called otherwise now, one has left.
    await directory.call('petra', 'Petra Sommer');
    await directory.leave('quirin');
    await open();
    await form.getByLabel('Group there').fill(Directory.GROUP);
    await form.getByLabel('Group here').fill('Staff');
    await look.click();
    await expect(form.getByRole('row', { name: /quirin/ })).toContainText('missing');
    await expect(form.getByRole('row', { name: /petra/ })).toContainText('full name');
    await form.getByRole('button', { name: 'Take in 2 users' }).click();
    await expect(form).toBeHidden();
    await expect(page.getByRole('row', { name: /petra/ })).toContainText('Petra Sommer');
    await expect(page.getByRole('row', { name: /quirin/ })).toContainText('disabled');
    await page.getByRole('link', { name: 'petra', exact: true }).click();
    await expect(page.getByRole('region', { name: 'Person' })).toContainText('Comes from:');
  } finally {
    await directory.stop();
  }

  // A directory that is away is said so, and changes nobody.
  await page.goto('/second-factor');
  await page.getByRole('button', { name: 'Import users' }).click();
  await page.getByRole('menuitem', { name: 'From a directory' }).click();
  const form = page.getByRole('dialog', { name: 'Import users from a directory' });
  await form.getByRole('button', { name: 'See what would change' }).click();
  await expect(form.getByRole('alert')).toBeVisible({ timeout: 60_000 });
  await form.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('row', { name: /petra/ })).toContainText('active');
});

test('what came of a list is shown; one that was loaded anew is believed, and forgotten in the end', async ({
  api,
  context,
  signedInPage: page,
  sample,
}) => {
  const sync = (dry_run = false) =>
    api.client.POST('/api/v1/second-factor/sync', {
      params: { query: { dry_run } },
      body: {
        ad_client: 'ad_client',
        group_dn: Directory.GROUP,
        group: 'Staff',
        missing: 'disable',
        phones: false,
        force: false,
        take_over: false,
        forget: false,
      },
    });
  const people = ['petra', 'quirin'];
  const source = `ad_client/${Directory.GROUP.toLowerCase()}`;
  const row = page.getByRole('row', { name: /cn=staff/ });
  await page.goto('/second-factor?tab=directories');
  await expect(page.getByText('No list yet')).toBeVisible();

  let directory = await Directory.start(sample.ports.spare, people);
  try {
    await good(sync());
    await expect(row).toContainText('done');
    await expect(row).toContainText('2 people');
  } finally {
    await directory.stop();
  }

  // A directory that is away: why is told here, and to whoever looks at the users.
  expect((await sync()).response.ok).toBe(false);
  await expect(row).toContainText('failed');
  await expect(row).toContainText('2 people');
  await expectFit(page);
  await screenshot(page, 'second-factor-directories');
  await page.getByRole('tab', { name: 'Users' }).click();
  await expect(page.getByText(`The last synchronization of ${source} was not done.`)).toBeVisible();
  await expectFit(page);
  await page.getByRole('link', { name: 'What came of it' }).click();

  // The same people with other ids: refused, until names are believed.
  directory = await Directory.start(sample.ports.spare, people);
  try {
    const form = page.getByRole('dialog', { name: 'Import users from a directory' });
    const look = form.getByRole('button', { name: 'See what would change' });
    await page.getByRole('button', { name: `Synchronize ${source}` }).click();
    await expect(form.getByLabel('Group there')).toHaveValue(Directory.GROUP.toLowerCase());
    await form.getByLabel('Group here').fill('Staff');
    await look.click();
    await expect(form.getByRole('row', { name: /refused/ })).toHaveCount(2);
    await form.getByRole('checkbox', { name: 'Believe names where the directory’s ids differ' }).check();
    await expect(form.getByRole('row', { name: /refused/ })).toHaveCount(0);
    await look.click();
    await expect(form.getByRole('status')).toContainText('.');
    await expect(form.getByRole('row', { name: /refused|missing/ })).toHaveCount(0);
    await form.getByRole('button', { name: /^(Take in|Synchronize)/ }).click();
    await expect(form).toBeHidden();
    await expect(row).toContainText('done');
  } finally {
    await directory.stop();
  }

  // A list that nobody needs any more is taken off without its directory.
  const forget = page.getByRole('dialog', { name: 'Forget a list' });
  await page.getByRole('button', { name: `Forget the list ${source}` }).click();
  await forget.getByRole('button', { name: 'See what would change' }).click();
  await expect(forget.getByRole('row', { name: /petra|quirin/ })).toHaveCount(2);
  await expectFit(page);
  await screenshot(page, 'second-factor-forget');
  await forget.getByRole('button', { name: 'Forget the list' }).click();
  await expect(forget).toBeHidden();
  await expect(page.getByText('No list yet')).toBeVisible();
  const { items } = await good(api.client.GET('/api/v1/second-factor/users'));
  expect(items.map(({ name, status, groups }) => [name, status, groups])).toEqual(
    people.map((name) => [name, 'disabled', []]),
  );

  // Whoever may only look is offered neither.
  directory = await Directory.start(sample.ports.spare, ['rolf']);
  try {
    await good(sync());
  } finally {
    await directory.stop();
  }
  const credentials = await api.createAdmin('veit', { role: 'viewer' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor?tab=directories');
  await expect(row).toContainText('1 person');
  await expect(row.getByRole('button')).toHaveCount(0);
});
