/** Users of the second factor, for tests. */
import type { User } from '@/pages/second-factor/words';

export const device = (more: Partial<User['devices'][number]> = {}): User['devices'][number] => ({
  id: 'DPAAAA',
  kind: 'phone',
  name: '',
  number: 'XXX-XXX-0100',
  capabilities: { push: true, phone: false, sms: false },
  bound: false,
  synced: false,
  notified: false,
  drift: 0,
  ...more,
});
export const user = (name: string, more: Partial<User> = {}): User => ({
  id: `DU${name}`,
  name,
  status: 'active',
  failures: 0,
  bypass_codes: 0,
  devices: [],
  full_name: '',
  email: '',
  aliases: [],
  groups: [],
  ...more,
});

export const alice = user('alice', { devices: [device()], bypass_codes: 2 });
export const bob = user('Bob', {
  status: 'locked_out',
  failures: 10,
  devices: [device({ name: 'red phone', id: 'DPB' })],
});
export const carol = user('carol', { failures: 3, script: { answer: 'deny', after_ms: 0 } });
