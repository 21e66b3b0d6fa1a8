/**
 * With `DASHBOARD_FROM_DIST=1` the pages come from `dist/` in place of the program, under the same policy,
 * so that a page can be worked on without a build of the program. What is proven is proven without.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import type { BrowserContext } from '@playwright/test';

export const fromDist = process.env.DASHBOARD_FROM_DIST === '1';

const dist = resolve(import.meta.dirname, '../../dist');
const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

export async function serveDist(context: BrowserContext, origin: string): Promise<void> {
  await context.route(
    (url) => url.origin === new URL(origin).origin && !url.pathname.startsWith('/api/'),
    async (route) => {
      const { pathname } = new URL(route.request().url());
      const file = resolve(dist, `.${pathname}`);
      if (extname(pathname) && file.startsWith(dist) && existsSync(file)) {
        await route.fulfill({ body: readFileSync(file), contentType: TYPES[extname(file)] ?? 'text/plain' });
        return;
      }
      // A page to which the program redirected is its own, since nothing stands in for what follows a
      // redirect; so are its parts. Others may have a dot in their address, of a user's name.
      if (pathname.startsWith('/assets/')) {
        await route.continue();
        return;
      }
      const nonce = randomBytes(16).toString('base64');
      const html = readFileSync(resolve(dist, 'index.html'), 'utf8').replaceAll('__CSP_NONCE__', nonce);
      await route.fulfill({
        body: html,
        contentType: 'text/html; charset=utf-8',
        headers: {
          'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
        },
      });
    },
  );
}
