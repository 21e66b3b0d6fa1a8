/**
 * What is said beside a field: the meaning of the option of `authproxy.cfg` that it is, as the documentation
 * has it; of a field without an option what the API's document says.
 */
import fieldsOfDocuments from '@/generated/fields.json';
import optionsOfSections from '@/generated/options.json';

export type Kind = 'integration' | 'authenticator' | 'settings';

interface Option {
  name: string;
  value: string | null;
  values: string[] | null;
  default: string | null;
  required: boolean;
  served: boolean;
  meaning: string;
  field: string | null;
}

export interface Word {
  value: string;
  description: string;
}

interface Described {
  description?: string;
  words?: Word[];
  minimum?: number;
  maximum?: number;
  list?: boolean;
  secret?: boolean;
  optional?: boolean;
  default?: unknown;
}

export interface Help {
  /** What it means; empty where nobody says. */
  text: string;
  /** Its name in the file; none of a field that no option sets. */
  option: string | null;
  /** What holds where nothing is written, as the file writes it. */
  default: string | null;
  /** What may be written. */
  value: string | null;
  words: Word[];
  /** Whether it may be left out. */
  optional: boolean;
}

const SECTIONS = optionsOfSections as { section: string; summary: string; options: Option[] }[];
const DOCUMENTS = fieldsOfDocuments as Record<Kind, Record<string, Described>>;

/** `clients[3].address` and `clients[].address` are one field. */
export function pattern(path: string): string {
  return path.replace(/\[\d+\]/g, '[]');
}

function section(name: string) {
  return SECTIONS.find((one) => one.section === name);
}

/** The section that a document is written as: `radius_server_auto`, `ad_client`, `main`. */
export function sectionOf(kind: Kind, variant: string): string {
  if (kind === 'settings') return 'main';
  if (kind === 'integration') return `radius_server_${variant}`;
  return `${variant}_client`;
}

export function summaryOf(kind: Kind, variant: string): string {
  return section(sectionOf(kind, variant))?.summary ?? '';
}

/** The options of a section that a field is, the one that the documentation names first. */
function optionOf(kind: Kind, variant: string, path: string): Option | undefined {
  const wanted = pattern(path);
  return section(sectionOf(kind, variant))?.options.find(
    ({ field }) => field === wanted || field === `${wanted}[]` || field === `${wanted}[].name`,
  );
}

/** Whether a mode, or a kind of authenticator, uses a field: fields without an option are used by all. */
export function uses(kind: Kind, variant: string, path: string): boolean {
  const option = optionOf(kind, variant, path);
  if (option) return option.served;
  if (kind !== 'integration') return true;
  return !VARIANTS.some((mode) => optionOf(kind, mode, path));
}

const VARIANTS = ['auto', 'challenge', 'eap', 'concat', 'duo_only'];

/** Code's marks are for documents; the API's sentences name the option first, which is shown apart. */
function sentence(text: string | undefined): string {
  const plain = (text ?? '').replace(/`/g, '').split('\n\n')[0] ?? '';
  return plain;
}

export function helpOf(kind: Kind, variant: string, path: string): Help {
  const found = DOCUMENTS[kind][pattern(path)];
  const option = optionOf(kind, variant, path);
  return {
    text: option?.meaning ?? sentence(found?.description),
    option: option?.name ?? null,
    default: option?.default ?? (typeof found?.default === 'object' ? null : textOf(found?.default)),
    value: option?.value ?? null,
    words: found?.words ?? [],
    optional: found?.optional ?? false,
  };
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null || value === '' ? null : String(value);
}

/** Every field of a document, by its path: what a form has to have. */
export function pathsOf(kind: Kind): string[] {
  return Object.keys(DOCUMENTS[kind]);
}
