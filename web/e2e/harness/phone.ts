/** A person's phone: a browser of its own, with an authenticator that unlocks by itself. */

import type { Browser, BrowserContext, CDPSession, Page } from '@playwright/test';
import { Faults } from './csp.ts';

/** The size of a common one. */
export const PHONE = { width: 390, height: 844 };

export class Phone {
  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly faults: Faults,
    private readonly cdp: CDPSession,
    private readonly authenticator: string,
  ) {}

  /** One without passkeys and cookies, for pages of one origin. `usb` is a computer with a security key. */
  static async open(browser: Browser, origin: string, transport: 'internal' | 'usb' = 'internal') {
    const mobile = transport === 'internal';
    const context = await browser.newContext({
      // The gateway's own authority has signed its certificate.
      ignoreHTTPSErrors: true,
      reducedMotion: 'reduce',
      ...(mobile ? { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}),
    });
    if (assets) await serveAssets(context, assets);
    const faults = Faults.watch(context, origin);
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport,
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new Phone(context, page, faults, cdp, authenticatorId);
  }

  /** The passkeys in it. */
  async passkeys() {
    const { credentials } = await this.cdp.send('WebAuthn.getCredentials', {
      authenticatorId: this.authenticator,
    });
    return credentials;
  }

  /** Puts a passkey into it, as a thief of its secret does. */
  async implant(credential: Awaited<ReturnType<Phone['passkeys']>>[number]): Promise<void> {
    await this.cdp.send('WebAuthn.addCredential', { authenticatorId: this.authenticator, credential });
  }

  /** Whether its person unlocks it. */
  async unlocks(isUserVerified: boolean): Promise<void> {
    await this.cdp.send('WebAuthn.setUserVerified', {
      authenticatorId: this.authenticator,
      isUserVerified,
    });
  }

  /** Closes it; throws where its pages did what none may. */
  async close(): Promise<void> {
    await this.context.close();
    this.faults.check();
  }
}

/**
 * With `APP_FROM_ASSETS=FOLDER` the app's files come from there in place of the program, so that they can
 * be worked on without a build of it. What is proven is proven without.
 */
const assets = process.env.APP_FROM_ASSETS;

async function serveAssets(context: BrowserContext, folder: string): Promise<void> {
  const types: Record<string, string> = { js: 'text/javascript', css: 'text/css' };
  await context.route(/\/(app|assets)\/[a-z.-]*\.(js|css)$/, async (route) => {
    const name = new URL(route.request().url()).pathname.split('/').pop() ?? '';
    await route.fulfill({ path: `${folder}/${name}`, contentType: types[name.split('.').pop() ?? ''] });
  });
}
