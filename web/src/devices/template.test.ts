import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceTemplates, fillDevice, parseDevice, sectionsOf } from './template';

const FOLDER = resolve(import.meta.dirname, '../../../docs/src/devices');
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md') && name !== 'index.md');

describe('the pages of the documentation', () => {
  it('are all templates', async () => {
    const ids = (await deviceTemplates()).map(({ id }) => `${id}.md`);
    expect(ids.sort()).toEqual(PAGES.sort());
  });

  it.each(PAGES)(
    '%s has one server section, its options, and something to set on the device',
    async (name) => {
      const device = (await deviceTemplates()).find(({ id }) => `${id}.md` === name);
      expect(device?.title).not.toBe('');
      // It stands on a card: one line, whole.
      expect(device?.summary.length).toBeLessThanOrEqual(75);
      expect(device?.summary).toMatch(/\.$/);
      const sections = sectionsOf(device?.ini ?? '').map((section) => section.name);
      expect(sections.filter((section) => section.startsWith('radius_server_'))).toEqual([
        `radius_server_${device?.mode}`,
      ]);
      expect(device?.options).toContainEqual(['failmode', 'secure']);
      expect(device?.options.map(([option]) => option)).not.toContain('skey');
      expect(device?.notes).toMatch(/^## /m);
      // The placeholders are those that are filled in.
      const whole = `${device?.ini}\n${device?.notes}`;
      expect(whole).toContain('192.0.2.10');
      expect(whole).toContain('Example-Secret-1');
      const filled = fillDevice(whole, { gateway: 'gate', device: 'nas', secret: 'psst', port: 18120 });
      expect(filled.match(/192\.0\.2\.(5|10)(?![-\d])|Example-Secret-1|(?<!\d)1812(?!\d)/g)).toBeNull();
    },
  );

  it('say which mode and which form a device begins with', async () => {
    const modes = Object.fromEntries((await deviceTemplates()).map(({ id, mode }) => [id, mode]));
    expect(modes).toMatchObject({ fortigate: 'challenge', strongswan: 'auto', netmotion: 'eap' });
    const fortigate = (await deviceTemplates()).find(({ id }) => id === 'fortigate');
    expect(fortigate?.options).toContainEqual(['prompt_format', 'short']);
    expect(fortigate?.settings[0]).toMatchObject({ heading: 'On the FortiGate', language: '' });
    expect(fortigate?.settings[0]?.text).toContain('set secret Example-Secret-1');
    const pam = (await deviceTemplates()).find(({ id }) => id === 'pam_radius');
    expect(pam?.settings.map(({ heading }) => heading)).toEqual(['On the machine', 'On the machine']);
  });
});

describe('a page', () => {
  const PAGE = [
    '# A `box`',
    '',
    'Of [a maker](x.md),',
    'with *two* lines.',
    '',
    '```ini',
    '[radius_server_auto]',
    'ikey=DI',
    'failmode=secure',
    'radius_ip_1=192.0.2.10',
    '```',
    '',
    '## On the box',
    '',
    '- First:',
    '',
    '  ```xml',
    '  <a>',
    '    1',
    '  </a>',
    '  ```',
  ];
  it('is read with blocks in lists, and without markup in its words', () => {
    expect(parseDevice('box', PAGE.join('\r\n'))).toMatchObject({
      id: 'box',
      title: 'A box',
      summary: 'Of a maker, with two lines.',
      mode: 'auto',
      options: [['failmode', 'secure']],
      settings: [{ heading: 'On the box', language: 'xml', text: '<a>\n  1\n</a>' }],
    });
  });

  it.each([
    ['a title', ['no title', ...PAGE], /no title/],
    ['a configuration', PAGE.map((line) => line.replace('```ini', '```')), /no configuration/],
    [
      'one server section',
      PAGE.map((line) => (line === 'ikey=DI' ? '[radius_server_eap]' : line)),
      /2 sections/,
    ],
    ['a line of what it is', [PAGE[0] ?? '', ...PAGE.slice(5)], /what the device is/],
    ['a mode that is served', PAGE.map((line) => line.replace('_auto', '_iframe')), /by nobody/],
    ['an end of each block', PAGE.slice(0, -1), /without an end/],
  ])('needs %s', (_, lines, fault) => {
    expect(() => parseDevice('box', lines.join('\n'))).toThrow(fault);
  });
});

describe('filling in', () => {
  it.each([
    ['all four', '192.0.2.5:1812 Example-Secret-1 192.0.2.10', 'gate:18 192.0.2.5 10.0.0.1'],
    ['nothing that is a part of something else', '192.0.2.55 18120 192.0.2.10-192.0.2.13', null],
    ['the end of a sentence', 'port 1812.', 'port 18.'],
  ])('%s', (_, text, want) => {
    const filling = { gateway: 'gate', device: '10.0.0.1', secret: '192.0.2.5', port: 18 };
    expect(fillDevice(text, filling)).toBe(want ?? text);
  });

  it('leaves what is not known', () => {
    expect(fillDevice('192.0.2.5:1812', { port: 1645 })).toBe('192.0.2.5:1645');
  });
});
