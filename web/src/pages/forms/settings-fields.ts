import type { Group } from './fields';

export const SETTINGS_GROUPS: Group[] = [
  {
    id: 'way',
    title: 'Connection to the second factor',
    about: 'How nodes reach the service, for all integrations. The built-in second factor is asked directly.',
    fields: [
      { path: 'http_proxy.host', label: 'HTTP proxy', input: 'own', placeholder: 'none' },
      { path: 'http_proxy.port', label: "The proxy's port", input: 'own' },
      { path: 'http_ca_certs', label: 'Trusted certificates', input: 'pem', wide: true },
    ],
  },
  {
    id: 'log',
    title: 'Log',
    about: 'What nodes write down. Passwords and secrets are never in it.',
    fields: [
      { path: 'debug', label: 'Each step of each login', input: 'switch' },
      { path: 'test_connectivity_on_startup', label: 'A check after each start', input: 'switch' },
    ],
  },
];
