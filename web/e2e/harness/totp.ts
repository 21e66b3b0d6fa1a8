/** Passcodes, as an administrator's application makes them. */

import { setTimeout as pause } from 'node:timers/promises';
import { Secret, TOTP } from 'otpauth';

const STEP = 30_000;

/** Nearer to the end of a step than this, the step before may be too old when the passcode arrives. */
const MARGIN = 5_000;

/** The step that was used last, for each secret. */
const used = new Map<string, number>();

/**
 * A passcode that was not given out before. Each is good once, and none is taken behind a later
 * one; the step before the present one and the one behind it are taken too. So three come at once,
 * from the oldest on, and a fourth when its time has come. `ahead`: by how many milliseconds the
 * clock of whoever takes it is ahead of ours.
 */
export async function totp(secret: string, ahead = 0): Promise<string> {
  const now = Date.now() + ahead;
  const present = Math.floor(now / STEP);
  const oldest = now % STEP > STEP - MARGIN ? present : present - 1;
  const step = Math.max(oldest, (used.get(secret) ?? 0) + 1);
  used.set(secret, step);
  const taken = (step - 1) * STEP;
  if (taken > now) {
    // The service takes it from that moment on; there is nothing to ask until then.
    await pause(taken - now);
  }
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: step * STEP });
}
