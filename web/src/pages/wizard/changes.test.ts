import { describe, expect, it } from 'vitest';
import { inWords, onlyAdds } from './changes';

const ADDED = [
  { path: 'integrations[radius_server_auto]', after: {} },
  { path: 'authenticators[duo_only_client]', after: {} },
];

describe('a change in words', () => {
  it('names what comes', () => {
    expect(inWords(ADDED)).toEqual(['Added: integration radius_server_auto, authenticator duo_only_client.']);
    expect(onlyAdds(ADDED)).toBe(true);
  });

  it('names what is touched and what goes, once each', () => {
    const differences = [
      ...ADDED.slice(0, 1),
      { path: 'integrations[vpn].port', before: 1, after: 2 },
      { path: 'integrations[vpn].mode', before: 'auto', after: 'eap' },
      { path: 'settings.proxy', after: { host: 'proxy.example.com', port: 3128 } },
      { path: 'authenticators[ad]', before: {} },
    ];
    expect(inWords(differences)).toEqual([
      'Added: integration radius_server_auto.',
      'Changed: integration vpn, settings.',
      'Removed: authenticator ad.',
    ]);
    expect(onlyAdds(differences)).toBe(false);
  });
});
