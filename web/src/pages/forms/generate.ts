/** No 0, O, 1, l or I: somebody may type it into a device. 57 characters, 5.8 bits each. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';
/** 32 characters are 186 bits, and fit every device. */
const LENGTH = 32;

/** A shared secret that nobody can guess. */
export function generateSecret(length = LENGTH): string {
  let made = '';
  const octets = new Uint8Array(length);
  // Octets beyond the last whole alphabet would make some characters likelier.
  const limit = 256 - (256 % ALPHABET.length);
  while (made.length < length) {
    crypto.getRandomValues(octets);
    for (const octet of octets) {
      if (octet < limit && made.length < length) made += ALPHABET[octet % ALPHABET.length];
    }
  }
  return made;
}
