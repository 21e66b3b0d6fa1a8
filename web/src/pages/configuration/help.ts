import { readLine, sectionAt, sectionsOf } from './ini';
import { helpOf, optionSpec, sectionSpec } from './schema';

/** What there is to say of a line. */
export function helpAt(lines: readonly string[], number: number): { title: string; help: string[] } | null {
  const read = readLine(lines[number - 1] ?? '');
  if (read.kind === 'section') {
    const spec = sectionSpec(read.name);
    return spec ? { title: `[${read.name}]`, help: [spec.summary] } : null;
  }
  if (read.kind !== 'option') return null;
  const section = sectionAt(sectionsOf(lines), number);
  const spec = section && sectionSpec(section.name);
  const option = spec && optionSpec(spec, read.key);
  return option ? { title: read.key, help: helpOf(option) } : null;
}
