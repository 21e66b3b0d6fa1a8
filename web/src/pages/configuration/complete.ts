/** What can be written where the cursor is. */
import { type Line, readLine, type Section, sectionAt, sectionsOf } from './ini';
import { helpOf, nextName, nextSection, optionSpec, SCHEMA, sectionSpec } from './schema';

export interface Proposal {
  label: string;
  /** What it puts in the place of what is there. */
  insert: string;
  kind: 'section' | 'option' | 'value';
  detail: string;
  help: string[];
  /** Those of a higher number come first. */
  boost: number;
  /** Whether something is to be chosen right after it. */
  more: boolean;
}

export interface Proposals {
  /** Columns of the line that are replaced, from 0. */
  from: number;
  to: number;
  proposals: Proposal[];
}

/** `line` from 1, `column` from 0. */
export function complete(
  lines: readonly string[],
  line: number,
  column: number,
  schema = SCHEMA,
): Proposals | null {
  const text = lines[line - 1] ?? '';
  const start = text.length - text.trimStart().length;
  if (/^\s*[;#]/.test(text)) return null;
  const sections = sectionsOf(lines);
  if (text.startsWith('[', start)) {
    return { from: start, to: text.length, proposals: headers(sections, line, schema) };
  }
  const read = readLine(text);
  if (read.kind === 'option' && column > read.equals) return values(read, column, sections, line, schema);
  const to = read.kind === 'option' ? read.equals + 1 : text.length;
  const proposals = options(sections, line, schema);
  // A new section begins on a line of its own.
  if (read.kind !== 'option') proposals.push(...headers(sections, line, schema));
  return { from: start, to, proposals };
}

function headers(sections: readonly Section[], line: number, schema: typeof SCHEMA): Proposal[] {
  const there = sections.filter((one) => one.line !== line).map((one) => one.name);
  return schema.flatMap(({ section, summary }) => {
    const name = nextSection(section, there);
    if (name === undefined) return [];
    const served = !summary.includes('not served');
    const one: Proposal = {
      label: `[${name}]`,
      insert: `[${name}]`,
      kind: 'section',
      detail: summary,
      help: [summary],
      boost: served ? -1 : -3,
      more: false,
    };
    return [one];
  });
}

function options(sections: readonly Section[], line: number, schema: typeof SCHEMA): Proposal[] {
  const section = sectionAt(sections, line);
  const spec = section && sectionSpec(section.name, schema);
  if (!section || !spec) return [];
  const there = section.options.filter((one) => one.line !== line).map((one) => one.key);
  return spec.options.flatMap((option) => {
    const name = nextName(option, there);
    if (name === undefined) return [];
    const missing = option.required && !there.some((key) => optionSpec(spec, key) === option);
    const one: Proposal = {
      label: name,
      insert: `${name}=`,
      kind: 'option',
      detail: missing ? 'must be given' : option.value,
      help: helpOf(option),
      boost: missing ? 2 : option.served ? 1 : -2,
      more: option.values !== null || option.value === SECTION_NAME,
    };
    return [one];
  });
}

function values(
  read: Extract<Line, { kind: 'option' }>,
  column: number,
  sections: readonly Section[],
  line: number,
  schema: typeof SCHEMA,
): Proposals | null {
  const section = sectionAt(sections, line);
  const spec = section && sectionSpec(section.name, schema);
  const option = spec && optionSpec(spec, read.key);
  if (!option) return null;
  const end = read.valueStart + read.value.length;
  const value = (label: string, detail: string, help: string[]): Proposal => ({
    label,
    insert: label,
    kind: 'value',
    detail,
    help,
    boost: 0,
    more: false,
  });
  if (option.value === SECTION_NAME) {
    const clients = sections.filter((one) => CLIENTS.test(one.name));
    const proposals = clients.map((one) =>
      value(one.name, '', [sectionSpec(one.name, schema)?.summary ?? '']),
    );
    return { from: read.valueStart, to: end, proposals };
  }
  if (!option.values) return null;
  const proposals = option.values.map((word) =>
    value(word, word === option.default ? 'the default' : '', [option.meaning]),
  );
  if (!option.list) return { from: read.valueStart, to: end, proposals };
  // The word of the list that the cursor is in.
  const before = read.value.slice(0, Math.max(0, column - read.valueStart));
  const rest = read.value.slice(before.length);
  const blanks = /^\s*/.exec(before.slice(before.lastIndexOf(',') + 1))?.[0].length ?? 0;
  const from = read.valueStart + before.lastIndexOf(',') + 1 + blanks;
  const comma = rest.indexOf(',');
  const chosen = read.value.split(',').map((word) => word.trim());
  const word = read.value
    .slice(from - read.valueStart)
    .split(',')[0]
    ?.trim();
  return {
    from,
    to: comma < 0 ? end : Math.max(column, read.valueStart) + comma,
    proposals: proposals.filter(({ label }) => label === word || !chosen.includes(label)),
  };
}

const SECTION_NAME = 'the name of a section of this file';
const CLIENTS = /^(ad_client|radius_client|duo_only_client)\d*$/;
