/** The lines of a configuration file, as the gateway reads them. */

export type Line =
  | { kind: 'blank' | 'comment' | 'fault' }
  | { kind: 'section'; name: string }
  | { kind: 'option'; key: string; keyStart: number; equals: number; valueStart: number; value: string };

/** What stands on a line. */
export function readLine(text: string): Line {
  const content = text.trim();
  if (content === '') return { kind: 'blank' };
  if (content.startsWith(';') || content.startsWith('#')) return { kind: 'comment' };
  if (content.startsWith('[')) {
    const name = /^\[([^[\]]*)\]$/.exec(content)?.[1];
    return name?.trim() ? { kind: 'section', name } : { kind: 'fault' };
  }
  const equals = text.indexOf('=');
  const key = equals < 0 ? '' : text.slice(0, equals).trim();
  if (!/^[A-Za-z0-9_.-]+$/.test(key)) return { kind: 'fault' };
  const after = text.slice(equals + 1);
  const value = after.trim();
  return {
    kind: 'option',
    key,
    keyStart: text.indexOf(key),
    equals,
    valueStart: equals + 1 + (after.length - after.trimStart().length),
    value,
  };
}

export interface Section {
  name: string;
  /** Of its header, from 1. */
  line: number;
  options: { key: string; value: string; line: number }[];
}

/** All sections, in order. What stands before the first header is in none. */
export function sectionsOf(lines: readonly string[]): Section[] {
  const sections: Section[] = [];
  lines.forEach((text, index) => {
    const line = readLine(text);
    if (line.kind === 'section') sections.push({ name: line.name, line: index + 1, options: [] });
    else if (line.kind === 'option')
      sections.at(-1)?.options.push({ key: line.key, value: line.value, line: index + 1 });
  });
  return sections;
}

/** The section that a line is in; its header is in it. Lines are counted from 1. */
export function sectionAt(sections: readonly Section[], line: number): Section | undefined {
  return sections.findLast((section) => section.line <= line);
}

/** Lines end with LF alone while they are edited, as the editor has them. */
export function withPlainEnds(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** A text without what is sealed in it: that is written otherwise each time. */
export function withoutSeals(text: string): string {
  return text.replace(/sealed:[A-Za-z0-9+/]+/g, '(sealed)');
}
