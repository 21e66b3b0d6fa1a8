/** The `test` of all specs: with a gateway, its API and a browser in which somebody is signed in. */

import { type BrowserContext, test as base, type Page } from '@playwright/test';
import { type Api, COOKIE } from './api.ts';
import { Faults } from './csp.ts';
import { fromDist, serveDist } from './dist.ts';
import { Gateway, type Start } from './gateway.ts';
import type { Sample } from './sample.ts';
import { totp } from './totp.ts';

export { expect } from '@playwright/test';

/** Which gateway a test gets. */
export interface GatewayOptions extends Start {
  /** Whether the tests of a file share it, or each gets its own. Default: `file`. */
  per?: 'file' | 'test';
}

interface OfTest {
  gatewayOptions: GatewayOptions;
  /** The gateway of this file, or of this test alone: see {@link GatewayOptions}. */
  gateway: Gateway;
  /** The API as the administrator's session; as nobody with a `fresh` gateway. */
  api: Api;
  /** Ports, secret and bypass codes of the sample. */
  sample: Sample;
  /** The test's page, with the session of the administrator. */
  signedInPage: Page;
  /** A passcode of a secret that was not used before. */
  totp: typeof totp;
  /** What the pages did that none may. What is left there at the end fails the test. */
  faults: Faults;
}

interface OfWorker {
  gateways: Shared;
}

export const test = base.extend<OfTest, OfWorker>({
  gatewayOptions: [{ variant: 'ready' }, { option: true }],

  gateways: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of what is used here.
    async ({}, use) => {
      const shared = new Shared();
      await use(shared);
      await shared.stop();
    },
    { scope: 'worker', timeout: 60_000 },
  ],

  gateway: [
    async ({ gateways, gatewayOptions }, use, info) => {
      const own = gatewayOptions.per === 'test';
      const gateway = own
        ? await Gateway.start(gatewayOptions)
        : await gateways.of(info.file, gatewayOptions);
      try {
        await use(gateway);
        if (info.status !== info.expectedStatus) {
          await info.attach('gateway.log', { body: gateway.logText(), contentType: 'text/plain' });
        }
      } finally {
        if (own) {
          await gateway.stop();
        }
      }
    },
    { timeout: 90_000 },
  ],

  api: async ({ gateway }, use) => use(gateway.api),
  sample: async ({ gateway }, use) => use(gateway.sample),
  baseURL: async ({ gateway }, use) => use(gateway.adminUrl),

  // biome-ignore lint/correctness/noEmptyPattern: as above.
  totp: async ({}, use) => use(totp),

  faults: [
    async ({ context, gateway }, use) => {
      const faults = Faults.watch(context, gateway.adminUrl);
      if (fromDist) await serveDist(context, gateway.adminUrl);
      await use(faults);
      faults.check();
    },
    { auto: true },
  ],

  signedInPage: async ({ context, gateway, page }, use) => {
    await signInBrowser(context, gateway.api);
    await use(page);
  },
});

/** Gives a browser the session that an API has. */
export async function signInBrowser(context: BrowserContext, api: Api): Promise<void> {
  if (api.caller === 'nobody' || !('session' in api.caller)) {
    throw new Error('nobody is signed in at this gateway: use api.signIn first');
  }
  await context.addCookies([
    {
      name: COOKIE,
      value: api.caller.session,
      url: api.adminUrl,
      httpOnly: true,
      sameSite: 'Strict',
    },
  ]);
}

/** The gateways that the tests of one file share: one for each set of options. */
class Shared {
  #file = '';
  readonly #running = new Map<string, Gateway>();

  async of(file: string, options: GatewayOptions): Promise<Gateway> {
    if (file !== this.#file) {
      await this.stop();
      this.#file = file;
    }
    const which = JSON.stringify([options.variant, String(options.configuration), options.args, options.env]);
    const known = this.#running.get(which);
    if (known) {
      return known;
    }
    const started = await Gateway.start(options);
    this.#running.set(which, started);
    return started;
  }

  async stop(): Promise<void> {
    for (const gateway of this.#running.values()) {
      await gateway.stop();
    }
    this.#running.clear();
  }
}
