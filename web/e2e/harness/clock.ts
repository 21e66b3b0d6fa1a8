/** Machines whose clock is wrong. */

import { existsSync, readdirSync } from 'node:fs';

/**
 * The environment of a program whose wall clock is so many milliseconds ahead of ours, or behind where it
 * is less than nothing. Durations pass as they do here.
 */
export function ahead(milliseconds: number): Record<string, string> {
  const library = faketimeLibrary();
  if (library === undefined) {
    throw new Error("libfaketime.so.1 is nowhere: install Debian's package faketime");
  }
  return {
    LD_PRELOAD: library,
    FAKETIME: `${milliseconds < 0 ? '' : '+'}${milliseconds / 1_000}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DISABLE_SHM: '1',
  };
}

/**
 * Only the library is wanted: the command `faketime` would stand between a test and its program, and fails
 * where an earlier process of its number was killed.
 */
function faketimeLibrary(): string | undefined {
  const ofArchitectures = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}`);
  return ['/usr/lib', '/usr/lib64', '/usr/local/lib', ...ofArchitectures]
    .map((folder) => `${folder}/faketime/libfaketime.so.1`)
    .find((library) => existsSync(library));
}
