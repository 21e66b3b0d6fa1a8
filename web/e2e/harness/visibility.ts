/**
 * Whether a tab is seen. Playwright keeps every page seen, whatever is in front of it, and a second
 * session of the DevTools protocol cannot undo that: so what a page is told is made up here. The gateway is not.
 */

import type { Page } from '@playwright/test';

/** Before the page is opened: from then on {@link hide} and {@link show} work. */
export async function canBeHidden(page: Page): Promise<void> {
  await page.addInitScript(() => {
    let state: DocumentVisibilityState = 'visible';
    Object.defineProperty(Document.prototype, 'visibilityState', { get: () => state });
    Object.defineProperty(Document.prototype, 'hidden', { get: () => state === 'hidden' });
    window.addEventListener('countersign-e2e-visibility', (event) => {
      state = (event as CustomEvent<DocumentVisibilityState>).detail;
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    });
  });
}

/** Another tab is in front. */
export const hide = (page: Page) => tell(page, 'hidden');

/** It is seen again. */
export const show = (page: Page) => tell(page, 'visible');

function tell(page: Page, state: DocumentVisibilityState): Promise<void> {
  return page.evaluate((detail) => {
    window.dispatchEvent(new CustomEvent('countersign-e2e-visibility', { detail }));
  }, state);
}
