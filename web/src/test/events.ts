/** Events for tests. */
import type { AuthEvent } from '@/components/login/words';
import type { Stored } from '@/pages/logins/log';

export function idOf(number: number): string {
  return number.toString(16).padStart(32, '0');
}

/** The event of this number, a second behind the one before it; it answers the login of `first`, if that is given. */
export function stored(number: number, over: Partial<AuthEvent> = {}): Stored {
  return {
    seq: number,
    event: {
      id: idOf(number),
      at_ms: 1_000_000 + number * 1_000,
      node: 'one',
      revision: 1,
      integration: 'radius_server_auto',
      ikey: 'DI',
      client: '192.0.2.1:1024',
      user: `user-${number}`,
      outcome: 'accept',
      reason: 'approved',
      elapsed_us: 5_000,
      timeline: [],
      ...over,
    },
  };
}

/** Events of these numbers, newest first, as a page has them. */
export function newestFirst(from: number, to: number): Stored[] {
  return Array.from({ length: to - from + 1 }, (_, index) => stored(to - index));
}
