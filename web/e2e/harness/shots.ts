/** Pictures of pages: to look at, and for the documentation. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, type Page } from '@playwright/test';
import { documentation, shots } from './environment.ts';

const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 360, height: 800 };

/** How long a page may take to fit a window that became smaller, in milliseconds. */
const SETTLED = 3_000;

/** How often a page that still moves is taken again. */
const TRIES = 10;

/**
 * Takes the page as it is now, wide and light, wide and dark, narrow and light, and fails where it
 * scrolls sideways at 360 px. Files: `e2e/output/shots/NAME.png`, `NAME-dark.png`, `NAME-360.png`; with
 * `UPDATE_DOCS=1` those that a page of the documentation names in `docs/src/images` too. The page is wide and light afterwards.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  await show(page, 'dark', WIDE);
  await take(page, `${name}-dark`);
  await show(page, 'light', NARROW);
  await expectNoSidewaysScroll(page);
  await take(page, `${name}-360`);
  await show(page, 'light', WIDE);
  await take(page, name);
}

/** Back to the top, where a title says what the picture is of. */
export async function toTop(page: Page): Promise<void> {
  await page.evaluate(() => window.scrollTo(0, 0));
}

/** Fails where the page is wider than its window, and still is after so many milliseconds. */
export async function expectNoSidewaysScroll(page: Page, patience = SETTLED): Promise<void> {
  const wider = () =>
    page.evaluate(() => {
      const { scrollWidth } = document.documentElement;
      if (scrollWidth <= window.innerWidth) {
        return [];
      }
      const all = [...document.body.querySelectorAll('*')];
      const beyond = all.filter((element) => element.getBoundingClientRect().right > window.innerWidth + 0.5);
      const named = beyond.slice(0, 10).map((element) => {
        const { tagName, id, className } = element;
        return `${tagName.toLowerCase()}${id && `#${id}`} ${className}`;
      });
      return [`${scrollWidth} px in a window of ${window.innerWidth} px`, ...named];
    });
  await expect.poll(wider, { message: `${page.url()} scrolls sideways`, timeout: patience }).toEqual([]);
}

async function show(page: Page, colorScheme: 'light' | 'dark', size: typeof WIDE): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(size);
}

/** Takes it once two pictures in a row are the same, or after some tries: a clock may tick. */
async function take(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  let picture = await page.screenshot({ animations: 'disabled', caret: 'hide' });
  for (let tries = 0; tries < TRIES; tries += 1) {
    const next = await page.screenshot({ animations: 'disabled', caret: 'hide' });
    const still = next.equals(picture);
    picture = next;
    if (still) {
      break;
    }
  }
  const wanted = process.env.UPDATE_DOCS === '1' && (await isDocumented(name));
  for (const folder of wanted ? [shots, documentation] : [shots]) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${name}.png`), picture);
  }
}

/** Whether a page of the documentation shows this picture. */
async function isDocumented(name: string): Promise<boolean> {
  const book = dirname(documentation);
  for (const entry of await readdir(book, { recursive: true })) {
    if (entry.endsWith('.md') && (await readFile(join(book, entry), 'utf8')).includes(`images/${name}.png`)) {
      return true;
    }
  }
  return false;
}
