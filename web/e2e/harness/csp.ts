/** What no page may do: break its content security policy, throw, or ask another origin. */

import type { BrowserContext } from '@playwright/test';

/** The faults of the pages of a context. */
export class Faults {
  readonly #found: string[] = [];

  /** Watches all pages of a context, those that open later too. */
  static watch(context: BrowserContext, origin: string): Faults {
    const faults = new Faults();
    const own = new URL(origin).origin;
    const see = (address: string) => {
      const { origin: asked, protocol } = new URL(address.replace(/^ws/, 'http'));
      if (protocol.startsWith('http') && asked !== own) {
        faults.#found.push(`another origin was asked: ${address}`);
      }
    };
    context.on('request', (request) => see(request.url()));
    context.on('page', (page) => page.on('websocket', (socket) => see(socket.url())));
    context.on('console', (message) => {
      if (/content.security.policy/i.test(message.text())) {
        faults.#found.push(`content security policy: ${message.text()}`);
      }
    });
    context.on('weberror', (error) => {
      const thrown = error.error();
      faults.#found.push(`uncaught: ${thrown.stack ?? thrown.message}`);
    });
    return faults;
  }

  /** What was seen so far. */
  all(): readonly string[] {
    return this.#found;
  }

  /** Forgets those that a test means to happen; gives them. */
  take(pattern: RegExp): string[] {
    const taken = this.#found.filter((fault) => pattern.test(fault));
    const left = this.#found.filter((fault) => !pattern.test(fault));
    this.#found.splice(0, this.#found.length, ...left);
    return taken;
  }

  /** Throws where there are any. */
  check(): void {
    if (this.#found.length > 0) {
      throw new Error(`the page did what no page may:\n  ${this.#found.join('\n  ')}`);
    }
  }
}
