/**
 * Whether a person is there. What a page asks by itself, with nobody there, is marked `countersign-poll: 1`:
 * it does not keep a session alive that would end after an hour without use.
 */

/** For how long after the last key or touch somebody counts as there. */
export const THERE_MS = 60_000;

let last = Date.now();

const seen = () => {
  last = Date.now();
};
for (const kind of ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const) {
  globalThis.addEventListener?.(kind, seen, { capture: true, passive: true });
}

/** Whether a key, a pointer or a touch was used within `THERE_MS` before `now`. */
export function isThere(now = Date.now()): boolean {
  return now - last < THERE_MS;
}
