import type { DeviceMode } from '@/devices/template';

/** What each mode is, for whoever chooses one. */
export const MODES: Record<DeviceMode, { title: string; short: string; about: string }> = {
  auto: {
    title: 'Without a prompt (auto)',
    short: 'A push follows the password.',
    about:
      'Works with every device: after the password a push is sent. People without push append a passcode: password,123456.',
  },
  challenge: {
    title: 'With a menu (challenge)',
    short: 'Shows a menu after the password.',
    about:
      'After the password people choose: push, call, or a passcode. The device has to show the text of a challenge and a field for the answer.',
  },
  eap: {
    title: 'Within EAP (eap)',
    short: 'Speaks EAP: PEAP or TTLS.',
    about:
      'For wireless networks, switches and devices that hand EAP on. Needs a server certificate, which people’s machines check.',
  },
  concat: {
    title: 'Always appended (concat)',
    short: 'A factor is appended to the password.',
    about: 'People always append the factor to the password: password,123456 or password,push.',
  },
  duo_only: {
    title: 'A field of its own (duo_only)',
    short: 'The password field is the factor.',
    about:
      'The device checks the password itself and has a second field: what is typed there (push, a passcode) is all that arrives here.',
  },
};
