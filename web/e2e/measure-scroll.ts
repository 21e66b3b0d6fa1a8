/** A hundred thousand logins in the list, scrolled by wheel and by keyboard. Prints figures, judges none. */

import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { CDPSession, Page } from '@playwright/test';
import { expect, test } from './harness/fixtures.ts';

const LOGINS = 100_000;

/** Some seconds apart up to now: as they are stored, in a transaction. */
const planted = (now: number) => `PRAGMA journal_mode=WAL;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${LOGINS}),
e AS (SELECT i, printf('%032x', i) AS login, ${now} - (${LOGINS} - i) * 2000 AS at_ms,
 'user-' || i AS usr, 'radius_server_auto' || (i % 7) AS integration, '192.0.2.' || (i % 200) AS client,
 CASE WHEN i % 11 = 0 THEN 'reject' ELSE 'accept' END AS outcome,
 CASE WHEN i % 11 = 0 THEN 'denied' ELSE 'approved' END AS reason FROM n)
INSERT INTO events (seq, login, at_ms, node, integration, user, outcome, reason, factor, client, json, chain, total)
SELECT i, login, at_ms, 'local', integration, usr, outcome, reason, 'push', client,
json_object('id', login, 'at_ms', at_ms, 'node', 'local', 'revision', 1, 'integration', integration,
 'ikey', 'DIXXXXXXXXXXXXXXXXXX', 'client', client || ':1024', 'user', usr, 'outcome', outcome, 'reason', reason,
 'factor', 'push', 'elapsed_us', 5000000, 'timeline', json_array(
  json_object('stage', 'primary', 'at_us', 100, 'elapsed_us', 4000, 'detail', 'accepted: bound as uid=user at ldap1'),
  json_object('stage', 'preauth', 'at_us', 5000, 'elapsed_us', 900, 'detail', 'auth: Phone (XXX-XXX-0100) (push)'),
  json_object('stage', 'factor', 'at_us', 7000, 'elapsed_us', 4900000, 'detail', 'allow: Success. Logging you in...'))),
login, i * 600 FROM e;
COMMIT;`;

/** In the page: how long each frame took, and how many rows there were, until it is asked. */
function record(): void {
  const list = document.querySelector('[data-testid="rows"]') as HTMLElement;
  const frames: number[] = [];
  let most = 0;
  let empty = 0;
  let before = performance.now();
  let going = true;
  const frame = (now: number) => {
    frames.push(now - before);
    before = now;
    most = Math.max(most, list.childElementCount);
    if (list.childElementCount === 0) empty += 1;
    if (going) requestAnimationFrame(frame);
  };
  requestAnimationFrame((now) => {
    before = now;
    requestAnimationFrame(frame);
  });
  Object.assign(window, {
    recorded: () => {
      going = false;
      return { frames, most, empty };
    },
  });
}

/** What the page's thread spent of the processor so far, in seconds: the same however busy the machine is. */
async function spent(cdp: CDPSession): Promise<Map<string, number>> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return new Map(metrics.map(({ name, value }) => [name, value]));
}

type Recorded = { frames: number[]; most: number; empty: number };

async function measured(
  page: Page,
  cdp: CDPSession,
  what: string,
  scroll: () => Promise<void>,
): Promise<void> {
  const from = await page.evaluate(() => window.scrollY);
  const before = await spent(cdp);
  await page.evaluate(record);
  await scroll();
  const { frames, most, empty } = await page.evaluate(() =>
    (window as unknown as { recorded: () => Recorded }).recorded(),
  );
  const to = await page.evaluate(() => window.scrollY);
  const after = await spent(cdp);
  const each = (name: string) => (((after.get(name) ?? 0) - (before.get(name) ?? 0)) * 1_000) / frames.length;
  frames.sort((a, b) => a - b);
  const at = (part: number) =>
    (frames[Math.min(frames.length - 1, Math.floor(frames.length * part))] ?? 0).toFixed(1);
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  const slow = frames.filter((frame) => frame > 50).length;
  console.log(
    [
      what.padEnd(34),
      `frames ${frames.length}: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms, over 50 ms ${slow}`,
      `processor ${each('TaskDuration').toFixed(1)} ms a frame (script ${each('ScriptDuration').toFixed(1)}, style ${each('RecalcStyleDuration').toFixed(1)}, layout ${each('LayoutDuration').toFixed(1)})`,
      `px ${Math.abs(Math.round(to - from)).toLocaleString('en')}`,
      `rows in the page ${most}, frames without any ${empty}`,
      `heap ${(usedSize / 1024 / 1024).toFixed(0)} MiB`,
    ].join(' | '),
  );
}

test('a hundred thousand logins', async ({ signedInPage: page, gateway, api }) => {
  await gateway.suspend();
  execFileSync('sqlite3', [join(gateway.folder, 'data/controlplane/controlplane.db')], {
    input: planted(Date.now()),
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  await gateway.resume();
  await api.waitForEvent({ user: `user-${LOGINS}` });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  console.log(
    `\nload ${loadavg()
      .map((one) => one.toFixed(1))
      .join(' ')}; 16.7 ms is 60 frames a second`,
  );

  await page.goto('/logins');
  const rows = page.getByTestId('rows').getByRole('row');
  await expect(rows.first()).toContainText(`user-${LOGINS}`);
  await page.mouse.move(720, 600);
  const wheel = async (times: number, by: number) => {
    for (let turn = 0; turn < times; turn += 1) {
      await page.mouse.wheel(0, by);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
    }
  };
  const press = async (key: string, times: number) => {
    for (let turn = 0; turn < times; turn += 1) await page.keyboard.press(key);
  };
  await measured(page, cdp, 'wheel, while older ones are loaded', () => wheel(150, 300));

  await measured(page, cdp, 'to the end, all loaded', async () => {
    const began = Date.now();
    await page.evaluate(async (wanted) => {
      const list = document.querySelector('[role="grid"]') as HTMLElement;
      while (list.getAttribute('aria-rowcount') !== String(wanted + 1)) {
        window.scrollTo(0, document.documentElement.scrollHeight);
        await new Promise((done) => requestAnimationFrame(done));
      }
    }, LOGINS);
    console.log(`all were loaded in ${((Date.now() - began) / 1_000).toFixed(1)} s`);
  });

  await page.evaluate(() => window.scrollTo(0, 0));
  await measured(page, cdp, 'wheel, a notch at a time', () => wheel(150, 120));
  await measured(page, cdp, 'wheel, flung', () => wheel(150, 3_000));
  await measured(page, cdp, 'wheel, back', () => wheel(150, -1_000));
  await rows.first().waitFor();
  await page.locator('[role=row][tabindex="0"]').focus();
  await measured(page, cdp, 'arrow down, held', () => press('ArrowDown', 150));
  await measured(page, cdp, 'page down, held', () => press('PageDown', 150));
  await measured(page, cdp, 'end and home', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      await press('End', 1);
      await expect(rows.last()).toBeFocused();
      await press('Home', 1);
      await expect(rows.first()).toBeFocused();
    }
  });
});
