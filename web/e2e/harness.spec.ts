/** The harness itself, without a page of the dashboard: it needs no build of that. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { type Api, good } from './harness/api.ts';
import { expectNoSeriousAxe } from './harness/axe.ts';
import { expect, test } from './harness/fixtures.ts';
import { Gateway } from './harness/gateway.ts';
import { tabTo } from './harness/keyboard.ts';
import { answerChallenge, login } from './harness/radius.ts';
import { configurationOf } from './harness/sample.ts';
import { expectNoSidewaysScroll, screenshot } from './harness/shots.ts';

const caller = async (api: Api) => (await good(api.client.GET('/api/v1/session'))).caller;

/** Shows a page at the gateway's address that the gateway does not have. */
async function show(page: Page, body: string, headers: Record<string, string> = {}): Promise<void> {
  const html = `<!doctype html><html lang="en"><title>A page</title><main>${body}</main></html>`;
  await page.route('**/a-page', (route) => route.fulfill({ body: html, contentType: 'text/html', headers }));
  await page.goto('/a-page');
}

test.describe('logins', () => {
  test('one that is approved is accepted, and its event is there', async ({ api, sample }) => {
    const answer = await login({ port: sample.ports.auto, secret: sample.secret, user: 'alice' });
    expect(answer.code).toBe('Access-Accept');
    expect(answer.replyMessage).toBe('Success. Logging you in...');
    const event = await api.waitForEvent({ user: 'alice', integration: 'radius_server_auto' });
    expect(event).toMatchObject({ outcome: 'accept', reason: 'approved', factor: 'auto' });
  });

  for (const [user, port, reason, message] of [
    ['carol', 'auto', 'denied', 'Login request denied.'],
    ['dave', 'auto', 'second_factor_refused', undefined],
    ['erin', 'auto', 'not_enrolled', undefined],
    ['alice', 'down', 'primary_unavailable', undefined],
  ] as const) {
    test(`one of ${user} at ${port} is rejected: ${reason}`, async ({ api, sample }) => {
      const answer = await login({ port: sample.ports[port], secret: sample.secret, user });
      expect(answer.code).toBe('Access-Reject');
      if (message) {
        expect(answer.replyMessage).toBe(message);
      }
      const event = await api.waitForEvent({ user, outcome: 'reject' });
      expect(event.reason).toBe(reason);
    });
  }

  test('a bypass code and a push that a person answers let bob in', async ({ api, sample }) => {
    const bob = { port: sample.ports.auto, secret: sample.secret, user: 'bob' };
    const coded = await login({ ...bob, password: `anything,${sample.bypassCodes.shift()}` });
    expect(coded.code).toBe('Access-Accept');
    const waiting = login(bob);
    const { txid } = await api.waitForApproval('bob');
    await good(
      api.client.POST('/api/v1/second-factor/approvals/{txid}/approve', { params: { path: { txid } } }),
    );
    expect((await waiting).code).toBe('Access-Accept');
  });

  test('a challenge is answered, and the device has its own address', async ({ api, sample }) => {
    const request = {
      port: sample.ports.challenge,
      secret: sample.secret,
      user: 'alice',
      attributes: [['Packet-Src-IP-Address', '127.0.0.7']] as [string, string][],
    };
    const asked = await login(request);
    expect(asked.code).toBe('Access-Challenge');
    expect(asked.replyMessage).toContain('Second factor for alice\n\nType a passcode');
    expect((await answerChallenge(request, asked, '1')).code).toBe('Access-Accept');
    const event = await api.waitForEvent({ integration: 'radius_server_challenge', outcome: 'accept' });
    expect(event.client).toMatch(/^127\.0\.0\.7:/);
  });

  test('text arrives as it was typed, and a wrong secret gets no answer', async ({ api, sample }) => {
    const user = 'a "b" \\c \'d\' %{e} ü';
    const request = { port: sample.ports.auto, secret: sample.secret, user };
    expect((await login(request)).code).toBe('Access-Reject');
    expect((await api.waitForEvent({ outcome: 'reject' }, (event) => event.user === user)).user).toBe(user);
    const unsigned = await login({ ...request, user: 'alice', messageAuthenticator: false });
    expect(unsigned.code).toBe('Access-Accept');
    const wrong = await login({ ...request, secret: 'another', patience: 1 });
    expect(wrong).toEqual({ code: 'none', replyMessage: '', state: undefined, attributes: [] });
  });
});

test.describe('who asks', () => {
  test('an administrator, a token, and in the browser', async ({ api, gateway, signedInPage: page }) => {
    expect(await caller(api)).toBe('admin nora');
    expect(await caller(await api.withToken('a script', 'viewer'))).toBe('token a script');
    const seen = await page.goto('/api/v1/session');
    expect(await seen?.json()).toEqual({ caller: 'admin nora', role: 'admin' });
    await expect(caller(api.as('nobody'))).rejects.toThrow(/^401 of .*unauthenticated/);
    expect(gateway.setupLink).toBe('');
  });

  test('passcodes are new each time, and taken', async ({ api }) => {
    const operator = await api.createAdmin('oscar', { role: 'operator' });
    for (let times = 0; times < 2; times += 1) {
      expect(await caller(await api.as('nobody').signIn(operator))).toBe('admin oscar');
    }
  });

  test('a change of the configuration is waited for', async ({ api, sample }) => {
    const text = configurationOf(sample).replace('failmode=secure', 'failmode=safe');
    const number = await api.importConfig(text, 'safe');
    const { items } = await good(api.client.GET('/api/v1/nodes'));
    expect(items.map((node) => node.applied)).toEqual([number]);
    expect(await api.importConfig(text)).toBe(number);
  });
});

test.describe('other gateways', () => {
  test('a fresh one is nobody’s, and its link makes the first administrator', async () => {
    const gateway = await Gateway.start({ variant: 'fresh' });
    try {
      expect(gateway.setupLink.startsWith(`${gateway.adminUrl}/setup#cst_`)).toBe(true);
      const first = await gateway.api.createAdmin('alice', { setupLink: gateway.setupLink });
      expect(await caller(await gateway.api.signIn(first))).toBe('admin alice');
    } finally {
      await gateway.stop();
    }
  });

  test.describe('with a file', () => {
    test.use({ gatewayOptions: { variant: 'file', per: 'test' } });

    test('its changes are served', async ({ gateway, api, sample }) => {
      const first = await login({ port: sample.ports.auto, secret: sample.secret, user: 'alice' });
      expect(first.code).toBe('Access-Accept');
      const before = readFileSync(gateway.configurationFile, 'utf8');
      writeFileSync(
        gateway.configurationFile,
        before.replace('failmode=secure', 'exempt_username_1=zoe\nfailmode=secure'),
      );
      await api.waitForRevisionApplied(2);
      const exempt = await login({ port: sample.ports.auto, secret: sample.secret, user: 'zoe' });
      expect(exempt.code).toBe('Access-Accept');
    });
  });

  test('one that stopped leaves no process, port or folder', async () => {
    const gateway = await Gateway.start({ variant: 'ready' });
    expect(gateway.processes().length).toBeGreaterThanOrEqual(4);
    expect(gateway.logText()).toContain('ready');
    await gateway.stop();
    expect(gateway.processes()).toEqual([]);
    expect(existsSync(gateway.folder)).toBe(false);
    await expect(fetch(gateway.adminUrl)).rejects.toThrow();
  });

  test('one that cannot start says why', async () => {
    const start = Gateway.start({ variant: 'file', configuration: () => '[radius_server_auto]\nport=x\n' });
    await expect(start).rejects.toThrow(/authproxy\.cfg.*port/s);
  });
});

test.describe('pages', () => {
  test('a content security policy that is broken is seen', async ({ page, faults }) => {
    await show(page, '<script>document.title = "ran"</script>', {
      'content-security-policy': "default-src 'self'",
    });
    await expect.poll(() => faults.all().length).toBeGreaterThan(0);
    expect(() => faults.check()).toThrow(/content security policy/);
    expect(faults.take(/^content security policy/)).toHaveLength(1);
  });

  test('an error that nobody caught is seen', async ({ page, faults }) => {
    await show(page, '<script>setTimeout(() => { throw new Error("a bad page") })</script>');
    await expect.poll(() => faults.take(/^uncaught: .*a bad page/)).toHaveLength(1);
  });

  test('a request to another origin is seen', async ({ page, faults }) => {
    await show(page, '<img alt="" src="http://127.0.0.1:1/picture.png">');
    await expect
      .poll(() => faults.take(/picture\.png/))
      .toEqual(['another origin was asked: http://127.0.0.1:1/picture.png']);
    await page.evaluate(() => {
      new WebSocket('ws://127.0.0.1:1/socket');
    });
    await expect.poll(() => faults.take(/socket/)).toHaveLength(1);
  });

  test('axe tells what is serious', async ({ page }) => {
    await show(page, '<h1>Hello</h1><button type="button"></button>');
    await expect(expectNoSeriousAxe(page)).rejects.toThrow(/button-name \(critical\)/);
    await show(page, '<h1>Hello</h1><button type="button">Save</button>');
    await expectNoSeriousAxe(page);
  });

  test('a page that scrolls sideways is told', async ({ page }) => {
    await show(page, '<h1>Hello</h1>');
    await screenshot(page, 'harness');
    await show(page, '<p id="wide" style="width: 700px">Hello</p>');
    await page.setViewportSize({ width: 360, height: 800 });
    await expect(expectNoSidewaysScroll(page, 500)).rejects.toThrow(/p#wide/);
  });

  test('Tab goes to what has a focus that is seen', async ({ page }) => {
    await show(
      page,
      `<style>.none:focus { outline: none } .shadow:focus { outline: none; box-shadow: 0 0 3px blue }</style>
       <button>One</button> <button class="none">Two</button> <button class="shadow">Three</button>`,
    );
    await tabTo(page, 'button', 'One');
    await expect(tabTo(page, 'button', 'Two')).rejects.toThrow(/is not to be seen/);
    await expect(await tabTo(page, 'button', 'Three')).toBeFocused();
    await expect(tabTo(page, 'button', 'Two', 0)).rejects.toThrow(/no focus after 0 times/);
  });

  test('times are local, and not those of UTC', async ({ page }) => {
    await show(page, '<h1>Hello</h1>');
    const shown = await page.evaluate(() => new Date(0).toLocaleString());
    expect(shown).toBe('01/01/1970, 01:00:00');
  });
});
