/** What the tests run: the browser, the program under test, and where things are. */

import { resolve } from 'node:path';

/** `web/`, wherever Playwright was called from. */
const web = resolve(import.meta.dirname, '../..');

/** Debian's browser. */
export const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** The program under test. */
export const program = resolve(web, process.env.COUNTERSIGN_BIN ?? '../target/debug/countersign');

/** Where pictures of pages go. */
export const shots = resolve(web, 'e2e/output/shots');

/** Where the documentation has its pictures. */
export const documentation = resolve(web, '../docs/src/images');
