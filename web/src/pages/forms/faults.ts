/** What the API finds wrong, at the fields of a form. */
import { ApiError, type Schemas } from '@/api/client';
import type { Kind } from './help';
import { type Doc, isDoc } from './path';

export type Fault = Schemas['FieldError'];

/** `ad` or `radius`; `duo_only` has no fields. */
export function variantOf(kind: Kind, doc: Doc): string {
  if (kind === 'settings') return 'main';
  if (kind === 'integration') return String(doc.mode ?? 'auto');
  const inner = doc.kind;
  return isDoc(inner) ? (Object.keys(inner)[0] ?? 'duo_only') : 'duo_only';
}

/**
 * A path of a fault as the form has it. Faults of a document begin at the document, those that only the whole
 * configuration shows at the whole: `integrations[2].port`, `authenticators[0].hosts`.
 */
export function pathInForm(kind: Kind, doc: Doc, path: string): string {
  const of = { integration: 'integrations', authenticator: 'authenticators', settings: 'settings' }[kind];
  const whole = new RegExp(`^${of}(\\[\\d+\\])?\\.`).exec(path);
  if (!whole) return path;
  const rest = path.slice(whole[0].length);
  if (kind !== 'authenticator' || rest === 'id' || rest.startsWith('kind')) return rest;
  return `kind.${variantOf(kind, doc)}.${rest}`;
}

/** The faults of an error as they stand in the form; none of an error of another kind. */
export function faultsOf(kind: Kind, doc: Doc, error: unknown): Fault[] {
  if (!(error instanceof ApiError) || error.kind !== 'invalid') return [];
  return (error.problem.errors ?? []).map((fault) => ({
    ...fault,
    path: pathInForm(kind, doc, fault.path),
  }));
}

/** Whether a fault belongs to a field: at it, or within it where it is a list or an object. */
export function isAt(fault: string, field: string): boolean {
  return fault === field || fault.startsWith(`${field}.`) || fault.startsWith(`${field}[`);
}

/** Those that no field of the form shows, for the top of the form. */
export function withoutField(faults: readonly Fault[], fields: readonly string[]): Fault[] {
  return faults.filter(({ path }) => !fields.some((field) => isAt(path, field)));
}

/** Whether somebody has been at a field, or at something in it, or at all of what it is in. */
export function wasTouched(touched: ReadonlySet<string>, path: string): boolean {
  return [...touched].some((one) => isAt(path, one) || isAt(one, path));
}

/** The message at a field: each of its faults, with where within it they are. */
export function messageAt(faults: readonly Fault[], field: string): string | null {
  const found = faults.filter(({ path }) => isAt(path, field));
  if (found.length === 0) return null;
  return found
    .map(({ path, message }) => (path === field ? message : `${within(path, field)}${message}`))
    .join('; ');
}

function within(path: string, field: string): string {
  const index = /^\[(\d+)\]/.exec(path.slice(field.length))?.[1];
  return index === undefined ? '' : `${Number(index) + 1}: `;
}
