import { Secret, TOTP, URI } from 'otpauth';
import { expect, it } from 'vitest';
import { otpauth, passcodeBehind, secondsLeft } from './totp';

const SECRET = 'HNUKM6XP3YW36T3LBKGSEG5QI3NVXMHS';
const NOW = 1_795_400_000_123;
const at = (timestamp: number) => new TOTP({ secret: Secret.fromBase32(SECRET) }).generate({ timestamp });

it.each([0, -30_000, 30_000, -90_000])(
  'the passcode behind one that is %i ms aside is known',
  async (aside) => {
    expect(await passcodeBehind(SECRET, at(NOW + aside), NOW)).toBe(at(NOW + aside + 30_000));
  },
);

it('what is no passcode of the secret has none behind it', async () => {
  expect(await passcodeBehind(SECRET, at(NOW - 600_000), NOW)).toBeUndefined();
  expect(await passcodeBehind(SECRET, 'push', NOW)).toBeUndefined();
});

it('an application reads what the QR code says', () => {
  const read = URI.parse(otpauth('nora@example.com', SECRET));
  expect(read).toMatchObject({ label: 'nora@example.com', issuer: 'Countersign' });
  expect(read.secret.base32).toBe(SECRET);
});

it('counts down to the next step', () => {
  expect(secondsLeft(30_000)).toBe(30);
  expect(secondsLeft(59_999)).toBe(1);
});
