/** How people are reached: set up, tested against what answers, and removed. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from '@playwright/test';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, signInBrowser, test } from './harness/fixtures.ts';
import { screenshot } from './harness/shots.ts';

test.describe.configure({ timeout: 120_000 });

async function expectFit(page: Page): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await expectNoSeriousAxe(page);
  }
}

test('an SMS gateway is set up, gets a test with its secret, and is removed', async ({
  signedInPage: page,
}) => {
  const got: { authorization: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      got.push({ authorization: request.headers.authorization, body });
      response.writeHead(200).end('{}');
    });
  });
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const { port } = server.address() as AddressInfo;
  try {
    await page.goto('/second-factor?tab=delivery');
    await expect(page.getByText('No SMS is sent')).toBeVisible();
    await page.getByRole('button', { name: 'Set up: SMS' }).click();
    const form = page.getByRole('dialog', { name: 'SMS' });
    await form.getByLabel('Address').fill('http://sms.example.com/');
    await form.getByLabel('Fields').fill('nothing');
    await form.getByRole('button', { name: 'Save' }).click();
    await expect(form.getByText('Each line is name=value.')).toBeVisible();
    await form.getByLabel('Fields').fill('to={number}\ntext={text}');
    await form.getByRole('button', { name: 'Save' }).click();
    await expect(form.getByRole('alert')).toBeVisible();
    await form.getByLabel('Address').fill(`http://127.0.0.1:${port}/send`);
    await form.getByLabel('Authorization', { exact: true }).fill('Bearer of-the-gateway');
    await expectFit(page);
    await screenshot(page, 'second-factor-delivery-form');
    await form.getByRole('button', { name: 'Save' }).click();
    await expect(form).toBeHidden();

    // Its secret stays when the form is saved without it.
    await page.getByRole('button', { name: 'Change: SMS' }).click();
    await expect(form.getByText(/One is set/)).toBeVisible();
    await expect(form.getByLabel('Authorization', { exact: true })).toHaveValue('');
    await form.getByRole('button', { name: 'Save' }).click();
    await expect(form).toBeHidden();
    await page.getByRole('button', { name: 'Send a test: SMS' }).click();
    await page.getByRole('dialog').getByLabel('To').fill('+1 555 010 0188');
    await page.getByRole('dialog').getByRole('button', { name: 'Send it' }).click();
    await expect(page.getByText('The test to +1 555 010 0188 is out.')).toBeVisible();
    expect(got.map(({ authorization }) => authorization)).toEqual(['Bearer of-the-gateway']);
    expect(got[0]?.body).toContain('0188');
    await expectFit(page);
    await screenshot(page, 'second-factor-delivery');

    await page.getByRole('button', { name: 'Remove: SMS' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove it' }).click();
    await expect(page.getByRole('button', { name: 'Set up: SMS' })).toBeVisible();
  } finally {
    server.close();
  }
});

test('an operator sees how people are reached, and changes nothing', async ({ api, context, page }) => {
  const credentials = await api.createAdmin('otis', { role: 'operator' });
  await signInBrowser(context, await api.as('nobody').signIn(credentials));
  await page.goto('/second-factor?tab=delivery');
  await expect(page.getByText('How people are reached is changed by administrators.')).toBeVisible();
  await expect(page.getByRole('button', { name: /Set up|Change:|Remove:|Send a test/ })).toHaveCount(0);
});
