/** Passcodes by time (RFC 6238: SHA-1, six digits, 30 seconds), for the one sign-in right after a set-up. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_MS = 30_000;
/** How many steps a clock may be off. */
const ASIDE = 4;

/** What an application for passcodes reads from a QR code. */
export function otpauth(name: string, secret: string): string {
  return `otpauth://totp/Countersign:${encodeURIComponent(name)}?secret=${secret}&issuer=Countersign&algorithm=SHA1&digits=6&period=30`;
}

function octetsOf(base32: string): Uint8Array<ArrayBuffer> {
  const octets: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of base32) {
    bits = (bits << 5) | ALPHABET.indexOf(character);
    held += 5;
    if (held >= 8) {
      held -= 8;
      octets.push((bits >> held) & 0xff);
    }
    bits &= 0xff;
  }
  return new Uint8Array(octets);
}

async function passcode(key: CryptoKey, step: number): Promise<string> {
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(step));
  const tag = new DataView(await crypto.subtle.sign('HMAC', key, new Uint8Array(counter.buffer)));
  const offset = tag.getUint8(tag.byteLength - 1) & 0x0f;
  return String((tag.getUint32(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/**
 * The passcode behind one that was taken, which is good no more. Nothing where this browser cannot tell, or
 * its clock is far off.
 */
export async function passcodeBehind(
  secret: string,
  taken: string,
  now = Date.now(),
): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const key = await crypto.subtle.importKey('raw', octetsOf(secret), { name: 'HMAC', hash: 'SHA-1' }, false, [
    'sign',
  ]);
  const present = Math.floor(now / STEP_MS);
  for (let aside = 0; aside <= ASIDE; aside++) {
    for (const step of [present - aside, present + aside]) {
      if ((await passcode(key, step)) === taken) return passcode(key, step + 1);
    }
  }
  return undefined;
}

/** Seconds until applications show another passcode. */
export function secondsLeft(now: number): number {
  return Math.ceil((STEP_MS - (now % STEP_MS)) / 1_000);
}
