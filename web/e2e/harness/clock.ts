/** Machines whose clock is wrong. */

import { execFileSync } from 'node:child_process';

/**
 * The environment of a program whose wall clock is so many milliseconds ahead of ours, or behind where it
 * is less than nothing. Durations pass as they do here.
 */
export function ahead(milliseconds: number): Record<string, string> {
  // The command itself would stand between a test and its program: only its library is wanted.
  const library = execFileSync('faketime', ['-f', '+0', 'sh', '-c', 'echo "$LD_PRELOAD"'], {
    encoding: 'utf8',
  });
  return {
    LD_PRELOAD: library.trim(),
    FAKETIME: `${milliseconds < 0 ? '' : '+'}${milliseconds / 1_000}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DISABLE_SHM: '1',
  };
}
