/** Before all tests: whether everything is there. What is missing fails the run, and is never skipped. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, program } from './environment.ts';

export default function setUp(): void {
  const missing = [
    runs(chromium) || `no browser at ${chromium}: apt install chromium, or name one with CHROMIUM`,
    runs(program) ||
      `no program at ${program}: npm run build && cargo build -p cli, or name one with COUNTERSIGN_BIN`,
    onPath('radclient') || 'no radclient: apt install freeradius-utils',
    onPath('setpriv') || 'no setpriv: apt install util-linux',
    onPath('faketime') || 'no faketime: apt install faketime',
  ].filter((found) => found !== true);
  if (missing.length > 0) {
    throw new Error(`The tests cannot run:\n  ${missing.join('\n  ')}`);
  }
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => runs(join(folder, name)));
}
