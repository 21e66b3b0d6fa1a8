/** What the configuration file may say: made from the gateway's own table of options. */
import generated from '@/generated/options.json';

export interface OptionSpec {
  name: string;
  /** Whether it may be given more than once, with numbers. */
  numbered: boolean;
  /** The first number that is written: 2 where the first has none. */
  first_number: number | null;
  required: boolean;
  /** What its value must look like, in words. */
  value: string;
  /** The words to choose from. */
  values: string[] | null;
  /** Whether several of them may be given, between commas. */
  list: boolean;
  default: string | null;
  secret: boolean;
  /** Whether the replaced product does not have it. */
  new: boolean;
  served: boolean;
  why_not: string | null;
  meaning: string;
}

export interface SectionSpec {
  section: string;
  summary: string;
  options: OptionSpec[];
}

export const SCHEMA: readonly SectionSpec[] = generated;

/** Of `radius_server_auto2`: what `[radius_server_auto]` is. */
export function sectionSpec(name: string, schema = SCHEMA): SectionSpec | undefined {
  return schema.find(({ section }) => {
    if (!name.startsWith(section)) return false;
    const number = name.slice(section.length);
    return number === '' || (section !== 'main' && /^[1-9]\d{0,5}$/.test(number));
  });
}

/** An option as it is written: `radius_secret_2`, `host`, `secret_protected`. Letter case does not count. */
export function optionSpec(section: SectionSpec, key: string): OptionSpec | undefined {
  const written = key.toLowerCase();
  const clear = written.replace('_protected', '');
  const is = (name: string, option: OptionSpec) => {
    if (name === option.name) return true;
    const number = name.startsWith(`${option.name}_`) ? name.slice(option.name.length + 1) : '';
    return option.numbered && /^[1-9]\d{0,5}$/.test(number) && Number(number) >= (option.first_number ?? 1);
  };
  return section.options.find(
    (option) => is(written, option) || (option.secret && clear !== written && is(clear, option)),
  );
}

/** How the next one of an option is written, beside those that are there; undefined where there can be none. */
export function nextName(option: OptionSpec, there: readonly string[]): string | undefined {
  const taken = new Set(there.map((name) => name.toLowerCase().replace('_protected', '')));
  if (!option.numbered) return taken.has(option.name) ? undefined : option.name;
  if (option.first_number !== 1 && !taken.has(option.name)) return option.name;
  for (let number = option.first_number ?? 1; ; number += 1) {
    const name = `${option.name}_${number}`;
    // `radius_ip` alone counts as `radius_ip_1`.
    if (!taken.has(name) && !(number === 1 && taken.has(option.name))) return name;
  }
}

/** How the next section of a kind is named, beside those that are there; undefined where there can be none. */
export function nextSection(kind: string, there: readonly string[]): string | undefined {
  if (!there.includes(kind)) return kind;
  if (kind === 'main') return undefined;
  for (let number = 2; ; number += 1) if (!there.includes(`${kind}${number}`)) return `${kind}${number}`;
}

/** What there is to say of an option, a line each. */
export function helpOf(option: OptionSpec): string[] {
  const facts = [
    option.required ? 'It must be given.' : null,
    option.default !== null ? `Default: ${option.default}` : null,
    option.numbered ? `It may be given more than once, with numbers.` : null,
    option.new ? 'The replaced product does not have it.' : null,
    option.served ? null : `It has no effect here${option.why_not ? `: ${option.why_not}` : ''}.`,
  ];
  return [option.meaning, `Value: ${option.value}`, ...facts.filter((fact) => fact !== null)];
}
