/** What this window remembers of a sign-in. A browser that keeps nothing does without. */
import { localPath } from './local-path';

const WANTED = 'countersign-wanted';
/** The gateway waits as long for the provider's answer, in milliseconds. */
const WANTED_FOR = 600_000;

function tried<T>(deed: () => T): T | undefined {
  try {
    return deed();
  } catch {
    return undefined;
  }
}

/** Keeps where somebody wanted to go while they are at the provider, which leads back to the first page. */
export function keepWanted(to: string | undefined, now = Date.now()): void {
  tried(() => {
    if (localPath(to)) sessionStorage.setItem(WANTED, JSON.stringify({ to, at: now }));
    else forgetWanted();
  });
}

/** What was kept. */
export function wanted(now = Date.now()): string | undefined {
  return tried(() => {
    const kept = JSON.parse(sessionStorage.getItem(WANTED) ?? 'null') as { to?: string; at?: number } | null;
    const age = now - (kept?.at ?? 0);
    return age >= 0 && age < WANTED_FOR ? localPath(kept?.to) : undefined;
  });
}

/** It was reached, or is wanted no more. */
export function forgetWanted(): undefined {
  tried(() => sessionStorage.removeItem(WANTED));
}
