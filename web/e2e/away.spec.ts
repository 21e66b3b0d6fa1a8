/** Tabs that nobody looks at, and a control plane that ends: nothing is asked in vain, and nothing is lost or doubled. */

import type { Page } from '@playwright/test';
import { good } from './harness/api.ts';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';
import type { Sample } from './harness/sample.ts';
import { until } from './harness/until.ts';
import { canBeHidden, hide, show } from './harness/visibility.ts';

const rows = (page: Page) => page.getByTestId('rows').getByRole('row');
const of = (page: Page, user: string) =>
  rows(page).filter({ has: page.getByRole('gridcell', { name: user, exact: true }) });
const status = (page: Page, text: RegExp) => page.getByRole('status').filter({ hasText: text });

/** Logins of nobody whom the second factor knows: each is one row. */
async function send(sample: Sample, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const answer = await login({ port: sample.ports.auto, secret: sample.secret, user });
    expect(answer.code, user).toBe('Access-Reject');
  }
}

/** What the page asked of the API so far. */
function asked(page: Page): string[] {
  const all: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/api/')) all.push(pathname);
  });
  return all;
}

/** Until whatever the page asked before this is seen here: requests are told in order. */
async function told(page: Page): Promise<void> {
  await page.evaluate(() => fetch('/nothing.svg').then((answer) => answer.text()));
}

test.describe('a tab that nobody looks at', () => {
  for (const [path, every, wanted] of [
    ['/nodes', 5_000, '/api/v1/nodes'],
    ['/', 10_000, '/api/v1/overview'],
    ['/second-factor', 1_000, '/api/v1/second-factor/approvals'],
  ] as const) {
    test(`${path} asks nothing, and at once when it is seen again`, async ({ signedInPage: page }) => {
      test.setTimeout(120_000);
      await canBeHidden(page);
      await page.clock.install();
      const all = asked(page);
      const count = () => all.filter((one) => one === wanted).length;
      await page.goto(path);
      await expect.poll(count).toBeGreaterThan(0);
      await page.waitForLoadState('networkidle');
      // Seen, it asks again and again.
      let before = count();
      await page.clock.runFor(every + 1_000);
      await expect.poll(count).toBeGreaterThan(before);

      await hide(page);
      await page.waitForLoadState('networkidle');
      // Whatever was on its way is there; from here on, nothing for ten minutes.
      await page.clock.runFor(every);
      await told(page);
      before = all.length;
      await page.clock.runFor(600_000);
      await told(page);
      expect(all.slice(before)).toEqual([]);

      before = count();
      await show(page);
      await expect.poll(count).toBeGreaterThan(before);
    });
  }

  test('the list of logins gives its connection back, and misses nothing', async ({
    signedInPage: page,
    sample,
    api,
  }) => {
    test.setTimeout(120_000);
    await canBeHidden(page);
    await page.clock.install();
    await send(sample, ['before-1']);
    await page.goto('/logins');
    await expect(status(page, /^live$/)).toBeVisible();
    await expect(of(page, 'before-1')).toHaveCount(1);
    const all = asked(page);
    await hide(page);
    // For a moment it stays: who looks something up comes back soon.
    await page.clock.runFor(10_000);
    await send(sample, ['looked-away']);
    await expect(of(page, 'looked-away')).toHaveCount(1);
    const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/api/v1/events?'));
    await page.clock.runFor(15_000);
    await ended;
    await expect(status(page, /^live$/)).toBeHidden();
    await page.clock.runFor(600_000);
    const hidden = ['hidden-1', 'hidden-2', 'hidden-3'];
    await send(sample, hidden);
    await api.waitForEvent({ user: 'hidden-3' });
    await told(page);
    expect(all).toEqual([]);
    await expect(of(page, 'hidden-3')).toHaveCount(0);

    await show(page);
    for (const user of ['before-1', 'looked-away', ...hidden]) {
      await expect(of(page, user), user).toHaveCount(1);
    }
    await expect(status(page, /^live$/)).toBeVisible();
    await send(sample, ['after-1']);
    await expect(of(page, 'after-1')).toHaveCount(1);
    await expect(rows(page)).toHaveCount(6);
    // From where it was, and not all of it anew.
    expect(all.filter((one) => one === '/api/v1/events').length).toBeLessThanOrEqual(2);
  });
});

test.describe('a control plane that ends', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  test('logins go on, and each is in the list once when it is back', async ({
    signedInPage: page,
    gateway,
    sample,
    api,
  }) => {
    test.setTimeout(180_000);
    const users = (when: string) => [1, 2, 3, 4].map((number) => `${when}-${number}`);
    await send(sample, users('before'));
    await page.goto('/logins');
    await expect(status(page, /^live$/)).toBeVisible();
    await expect(rows(page)).toHaveCount(4);

    for (const round of ['first', 'second']) {
      const control = gateway.processOf('controlplane');
      if (control === undefined) throw new Error('there is no control plane');
      process.kill(control, 'SIGKILL');
      // Its nodes serve on, and keep what they have to tell.
      await send(sample, users(round));
      await until('it was started again', async () => {
        const now = gateway.processOf('controlplane');
        if (now === undefined || now === control) return undefined;
        await good(api.client.GET('/api/v1/nodes'));
        return now;
      });
      await send(sample, users(`${round}-after`));
      for (const user of [...users(round), ...users(`${round}-after`)]) {
        await expect(of(page, user), user).toHaveCount(1, { timeout: 45_000 });
      }
      await expect(status(page, /^live$/)).toBeVisible();
    }
    await expect(rows(page)).toHaveCount(20);
    // What is shown is what is stored.
    const stored = await good(api.client.GET('/api/v1/events', { params: { query: { limit: 100 } } }));
    expect(typeof stored === 'string' ? 0 : stored.items.length).toBe(20);
    await page.reload();
    await expect(rows(page)).toHaveCount(20);
  });
});
