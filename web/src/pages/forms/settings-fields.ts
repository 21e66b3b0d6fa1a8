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
    about: 'What nodes write down, and where to. Passwords and secrets are never in it.',
    fields: [
      { path: 'debug', label: 'Each step of each login', input: 'switch' },
      { path: 'log.stdout', label: 'Standard output', input: 'switch' },
      { path: 'log.file', label: 'authproxy.log', input: 'switch' },
      { path: 'log.auth_events', label: 'authevents.log', input: 'switch' },
      {
        path: 'log.dir',
        label: 'Folder of the log files',
        input: 'text',
        placeholder: 'log in the data folder',
      },
      { path: 'log.max_size_octets', label: 'Size of a log file', input: 'number', unit: 'octets' },
      { path: 'log.max_files', label: 'Files of before', input: 'number' },
      { path: 'log.syslog', label: 'Syslog', input: 'switch' },
      { path: 'log.syslog_facility', label: "Syslog's facility", input: 'words' },
    ],
  },
];
