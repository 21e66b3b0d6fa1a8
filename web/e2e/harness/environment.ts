/** What the tests run: the browser, the program under test, and where things are. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** `web/`, wherever Playwright was called from. */
const web = resolve(import.meta.dirname, '../..');

const browser = '/usr/bin/chromium';
const withoutWindow = '/usr/bin/chromium-headless-shell';

/** Debian's browser: the one that draws no window, which is the quicker, where it is there. */
export const chromium = process.env.CHROMIUM ?? (existsSync(withoutWindow) ? withoutWindow : browser);

/** The program under test. */
export const program = resolve(web, process.env.COUNTERSIGN_BIN ?? '../target/debug/countersign');

/** Where pictures of pages go. */
export const shots = resolve(web, 'e2e/output/shots');

/** Where the documentation has its pictures. */
export const documentation = resolve(web, '../docs/src/images');
