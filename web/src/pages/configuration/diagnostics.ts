/** What the gateway found in a text, for the editor and for the list below it. */
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';
import { readLine } from './ini';
import type { Validation } from './use-validation';

export type Finding = Schemas['Diagnostic'];

/** Where a finding is in the text: columns of a line, from 0. Null where it is not of this file, or of no line. */
export function placeOf(
  finding: Finding,
  lines: readonly string[],
  file: string,
): { line: number; from: number; to: number } | null {
  if (finding.line == null || finding.file !== file) return null;
  const text = lines[finding.line - 1];
  if (text === undefined) return null;
  const start = text.length - text.trimStart().length;
  const end = text.trimEnd().length;
  const read = readLine(text);
  const value = read.kind === 'option' && read.value !== '' && finding.severity === 'error';
  return value
    ? { line: finding.line, from: read.valueStart, to: end }
    : { line: finding.line, from: start, to: Math.max(start, end) };
}

/** `2 errors and 1 warning`, `No faults`. */
export function counted(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const parts = [
    errors > 0 ? plural(errors, 'error') : null,
    warnings > 0 ? plural(warnings, 'warning') : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'No faults' : parts.join(' and ');
}

/** The errors first, each in the order of the lines. */
export function sorted(findings: readonly Finding[]): Finding[] {
  const weight = ({ severity }: Finding) => (severity === 'error' ? 0 : 1);
  return [...findings].sort((a, b) => weight(a) - weight(b) || (a.line ?? 0) - (b.line ?? 0));
}

/** The errors of the text as it is: none are known while it is checked, or where that failed. */
export function errorsNow({ found, error, pending }: Validation): Finding[] {
  if (!found || error || pending) return [];
  return sorted(found.diagnostics).filter(({ severity }) => severity === 'error');
}

/** What a line became, in one line of text; empty where there is nothing to say. */
export function became(row: Schemas['LineRow']): string {
  const places = (row.became ?? []).map(({ path, value }) => {
    const masked = typeof value === 'object' && value !== null && 'fingerprint' in value;
    return `${path} = ${masked ? 'a secret' : typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return [...places, ...(row.is_default ? ['the default'] : []), ...(row.notes ?? [])].join('; ');
}
