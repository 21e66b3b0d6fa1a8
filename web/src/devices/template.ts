/**
 * The devices that the documentation describes, as templates: what to write into `authproxy.cfg`, and what to
 * set on the device. They are read from the pages of the documentation, so there is one text of each.
 */

/** A block to put into the device, as it stands on its page. */
export interface DeviceSetting {
  /** The nearest heading above it: `On the FortiGate`. */
  heading: string;
  /** The language of the block; empty where the page names none. */
  language: string;
  text: string;
}

/** `mode` as the API writes it: what stands behind `radius_server_` in the section's name. */
export type DeviceMode = 'auto' | 'challenge' | 'eap' | 'concat' | 'duo_only';

export interface DeviceTemplate {
  /** The page's file name without its ending: `fortigate`. */
  id: string;
  title: string;
  /** What the device is, in a line: the page's first paragraph, without its markup. */
  summary: string;
  /** The page's first configuration, with placeholders. It has one `radius_server_` section. */
  ini: string;
  mode: DeviceMode;
  /** The options of that section in their order, without those that name accounts, clients and secrets. */
  options: [name: string, value: string][];
  settings: DeviceSetting[];
  /** What follows the configuration, in Markdown: how the device is set, what users see, typical faults. */
  notes: string;
}

/** What stands in the place of the pages' placeholders. Nothing given, the placeholder stays. */
export interface Filling {
  /** This gateway, as the device reaches it. */
  gateway?: string;
  /** The device, as it sends. */
  device?: string;
  secret?: string;
  port?: number;
}

const MODES: readonly string[] = ['auto', 'challenge', 'eap', 'concat', 'duo_only'];
/** Options that are asked of whoever sets up, and are placeholders on the page. */
const ASKED = /^(ikey|skey|api_host|client|radius_ip_\d+|radius_secret_\d+)$/;

/** Commands that try what was set, with what they print: for the notes. */
const TRIED = /^console(,exit=\d+)?$/;

interface Block {
  language: string;
  text: string;
  heading: string;
  /** The first line behind it. */
  after: number;
  /** The line of its opening fence. */
  at: number;
}

/** The fenced blocks of a page, those within lists too, without their indent. */
function blocksOf(lines: readonly string[]): Block[] {
  const found: Block[] = [];
  let heading = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const title = /^#{1,6} (.*)$/.exec(line);
    if (title) heading = plainText(title[1] ?? '');
    const fence = /^( *)```(\S*)\s*$/.exec(line);
    if (!fence) continue;
    const indent = fence[1] ?? '';
    const end = lines.findIndex((other, n) => n > at && other.trim() === '```');
    if (end < 0) throw new Error(`line ${at + 1}: a block without an end`);
    const text = lines.slice(at + 1, end).map((inner) => inner.replace(indent, ''));
    found.push({ language: fence[2] ?? '', text: text.join('\n'), heading, at, after: end + 1 });
    at = end;
  }
  return found;
}

/** A line of Markdown without its markup. */
export function plainText(markdown: string): string {
  return markdown
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .trim();
}

/** `[name]` of each section of a configuration, with its options. */
export function sectionsOf(ini: string): { name: string; options: [name: string, value: string][] }[] {
  const sections: { name: string; options: [string, string][] }[] = [];
  for (const line of ini.split('\n')) {
    const header = /^\[(.*)\]\s*$/.exec(line);
    if (header) sections.push({ name: header[1] ?? '', options: [] });
    const option = /^([^=;#[][^=]*)=(.*)$/.exec(line);
    if (option) sections.at(-1)?.options.push([(option[1] ?? '').trim(), (option[2] ?? '').trim()]);
  }
  return sections;
}

/** Reads one page. Throws where it is not written as the others are. */
export function parseDevice(id: string, page: string): DeviceTemplate {
  const lines = page.replace(/\r\n/g, '\n').split('\n');
  const blocks = blocksOf(lines);
  const title = /^# (.+)$/.exec(lines[0] ?? '')?.[1];
  if (!title) throw new Error(`${id}: the first line is no title`);
  const ini = blocks.find((block) => block.language === 'ini');
  if (!ini) throw new Error(`${id}: no configuration (a block of the language ini)`);
  const servers = sectionsOf(ini.text).filter(({ name }) => name.startsWith('radius_server_'));
  const server = servers[0];
  if (servers.length !== 1 || !server)
    throw new Error(`${id}: ${servers.length} sections [radius_server_…] in place of one`);
  const mode = server.name.slice('radius_server_'.length);
  if (!MODES.includes(mode)) throw new Error(`${id}: [${server.name}] is served by nobody`);

  const intro: string[] = [];
  for (const line of lines.slice(1, ini.at)) {
    if (line.trim() === '' ? intro.length > 0 : /^(#|\||```| *- )/.test(line)) break;
    if (line.trim() !== '') intro.push(line);
  }
  const summary = plainText(intro.join(' '));
  if (!summary) throw new Error(`${id}: no paragraph that says what the device is`);
  return {
    id,
    title: plainText(title),
    summary,
    ini: ini.text,
    mode: mode as DeviceMode,
    options: server.options.filter(([name]) => !ASKED.test(name)),
    settings: blocks
      .filter((block) => block.language !== 'ini' && !TRIED.test(block.language))
      .map(({ heading, language, text }) => ({ heading, language, text })),
    notes: lines.slice(ini.after).join('\n').trim(),
  };
}

/** A text of a page with the values of an installation in place of the placeholders. */
export function fillDevice(text: string, { gateway, device, secret, port }: Filling): string {
  const values: Record<string, string | undefined> = {
    '192.0.2.5': gateway,
    '192.0.2.10': device,
    'Example-Secret-1': secret,
    '1812': port === undefined ? undefined : String(port),
  };
  // In one pass, so that a value which looks like a placeholder stays what it is.
  return text.replace(
    /(?<![\w.])(192\.0\.2\.5|192\.0\.2\.10|Example-Secret-1|1812)(?![\w]|\.\d|-\d)/g,
    (placeholder) => values[placeholder] ?? placeholder,
  );
}

let loaded: Promise<DeviceTemplate[]> | undefined;

/** All devices, by title. */
export function deviceTemplates(): Promise<DeviceTemplate[]> {
  loaded ??= import('./sources').then(({ PAGES }) =>
    Object.entries(PAGES)
      .map(([path, page]) => parseDevice(/([^/]+)\.md$/.exec(path)?.[1] ?? path, page))
      .sort((a, b) => a.title.localeCompare(b.title)),
  );
  return loaded;
}
