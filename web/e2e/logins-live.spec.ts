/** The list of logins where much happens: a gateway that goes and comes, and a hundred thousand logins. */

import type { Page, Route } from '@playwright/test';
import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';

const rows = (page: Page) => page.getByTestId('rows').getByRole('row');

test.describe('a gateway that is started again', () => {
  test.use({ gatewayOptions: { variant: 'ready', per: 'test' } });

  test('the list goes on by itself', async ({ signedInPage: page, gateway, sample }) => {
    test.setTimeout(120_000);
    const auto = (user: string) => login({ port: sample.ports.auto, secret: sample.secret, user });
    await auto('alice');
    await page.goto('/logins');
    const status = (text: RegExp) => page.getByRole('status').filter({ hasText: text });
    await expect(status(/^live$/)).toBeVisible();
    const restarted = gateway.restart();
    await expect(status(/^reconnecting$/)).toBeVisible();
    await restarted;
    await auto('carol');
    await expect(rows(page).filter({ hasText: 'carol' })).toHaveCount(1, { timeout: 30_000 });
    await expect(status(/^live$/)).toBeVisible();
    await auto('dave');
    await expect(rows(page).filter({ hasText: 'dave' })).toHaveCount(1);
    await expect(rows(page).filter({ hasText: 'alice' })).toHaveCount(1);
  });
});

const LOGINS = 100_000;

/** Pages of so many logins, as the gateway would give them. */
async function many(route: Route): Promise<void> {
  const url = new URL(route.request().url());
  if (route.request().headers().accept?.includes('event-stream')) {
    await route.fulfill({ contentType: 'text/event-stream', body: ': heartbeat\n\n' });
    return;
  }
  const limit = Number(url.searchParams.get('limit'));
  const from = Number(url.searchParams.get('cursor')?.split('-')[1] ?? LOGINS + 1) - 1;
  const now = 1_795_359_607_000;
  const items = Array.from({ length: Math.min(limit, from) }, (_, index) => {
    const seq = from - index;
    return {
      seq,
      event: {
        id: seq.toString(16).padStart(32, '0'),
        at_ms: now - (LOGINS - seq) * 1_000,
        node: 'local',
        revision: 1,
        integration: 'radius_server_auto',
        ikey: 'DI',
        client: '192.0.2.1:1024',
        user: `user-${seq}`,
        outcome: seq % 7 === 0 ? 'reject' : 'accept',
        reason: seq % 7 === 0 ? 'wrong_password' : 'approved',
        elapsed_us: 5_000,
        timeline: [
          { stage: 'primary', at_us: 10, elapsed_us: 900, detail: 'accepted: bound as uid=user at ldap1' },
          { stage: 'preauth', at_us: 1_000, elapsed_us: 900, detail: 'auth: Phone (XXX-XXX-0100) (push)' },
          { stage: 'factor', at_us: 2_000, elapsed_us: 900, detail: 'allow: Success. Logging you in...' },
        ],
      },
    };
  });
  const last = items.at(-1);
  const next = last && last.seq > 1 ? `${last.event.at_ms}-${last.seq}` : undefined;
  await route.fulfill({ json: { items, next } });
}

test('a hundred thousand logins scroll, with few rows in the page', async ({ signedInPage: page }, info) => {
  test.setTimeout(180_000);
  await page.route(/\/api\/v1\/events\?/, many);
  await page.goto('/logins');
  await expect(rows(page).first()).toContainText(`user-${LOGINS}`);
  // To the end, and there again as soon as more is there.
  const loaded = page.evaluate(async (wanted) => {
    const list = document.querySelector('[role="grid"]') as HTMLElement;
    const began = performance.now();
    while (list.getAttribute('aria-rowcount') !== String(wanted + 1)) {
      if (performance.now() - began > 120_000) return 'not all of it came';
      window.scrollTo(0, document.documentElement.scrollHeight);
      await new Promise((done) => requestAnimationFrame(done));
    }
    window.scrollTo(0, document.documentElement.scrollHeight);
    return 'all';
  }, LOGINS);
  expect(await loaded).toBe('all');
  await expect(page.getByText(/^100[,.]000 logins$/)).toBeVisible();
  await expect(rows(page).last().getByText('user-1', { exact: true })).toBeVisible();
  await expect(rows(page).last()).toHaveAttribute('aria-rowindex', String(LOGINS + 1));

  // Through all of it and back, frame by frame.
  const measured = await page.evaluate(async () => {
    const height = document.documentElement.scrollHeight;
    const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
    const list = document.querySelector('[data-testid="rows"]') as HTMLElement;
    const times: number[] = [];
    let most = 0;
    let empty = 0;
    let before = await frame();
    for (let step = 0; step <= 200; step += 1) {
      // Half in small steps, as a wheel does, half in leaps.
      window.scrollTo(0, step < 100 ? step * 120 : (height * (step - 100)) / 100);
      const now = await frame();
      times.push(now - before);
      before = now;
      most = Math.max(most, list.childElementCount);
      if (list.childElementCount === 0) empty += 1;
    }
    times.sort((a, b) => a - b);
    const heap = (performance as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0;
    return { most, empty, median: times[100] ?? 0, p95: times[190] ?? 0, worst: times.at(-1) ?? 0, heap };
  });
  info.annotations.push({ type: 'scrolling', description: JSON.stringify(measured) });
  expect(measured.most, 'rows in the page').toBeLessThan(80);
  expect(measured.empty, 'frames without a row').toBe(0);
  // Far from what is seen as smooth, so that a busy machine is no fault: it must not stand still.
  expect(measured.median, 'a frame').toBeLessThan(200);

  // From here the keyboard goes on, wherever it is.
  await page.locator('[role=row][tabindex="0"]').focus();
  await page.keyboard.press('Home');
  await expect(rows(page).first()).toBeFocused();
  await expect(rows(page).first()).toContainText(`user-${LOGINS}`);
  await page.keyboard.press('End');
  await expect(rows(page).last()).toBeFocused();
  await expect(rows(page).last().getByText('user-1', { exact: true })).toBeVisible();
});
