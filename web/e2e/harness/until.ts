/** Waiting for conditions. */

import { setTimeout as pause } from 'node:timers/promises';

/** How long conditions are waited for where nothing else is said, in milliseconds. */
export const PATIENCE = 15_000;

/** Between two looks at a condition, in milliseconds. */
const PACE = 50;

/** Waits until `look` gives something that is not `undefined`, and gives that. What it threw last is the cause. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  patience = PATIENCE,
): Promise<T> {
  const end = Date.now() + patience;
  let cause: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) {
        return found;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > end) {
      throw new Error(`in ${patience} ms not: ${what}`, { cause });
    }
    await pause(PACE);
  }
}
