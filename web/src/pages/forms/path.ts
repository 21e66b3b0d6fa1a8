/** Documents of the API as a form holds them: read and written by path, and what of one changed. */

export type Json = string | number | boolean | null | undefined | Json[] | { [name: string]: Json };
export type Doc = { [name: string]: Json };

/** What stands for a secret that is set. */
export interface Mask {
  set: boolean;
  fingerprint: string;
  /** Since when, where that is known. */
  set_at_ms?: number;
}

export function isDoc(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isMask(value: unknown): value is Mask & Doc {
  return isDoc(value) && typeof value.fingerprint === 'string' && 'set' in value;
}

/** `clients[2].address` -> `['clients', 2, 'address']`. */
export function steps(path: string): (string | number)[] {
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== '')
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

export function get(doc: Json, path: string): Json {
  let at: Json = doc;
  for (const step of steps(path)) {
    if (Array.isArray(at)) at = at[Number(step)];
    else if (isDoc(at)) at = at[String(step)];
    else return undefined;
  }
  return at;
}

/** The same document with another value there; `undefined` takes the field out. */
export function set(doc: Doc, path: string, value: Json): Doc {
  return put(doc, steps(path), value) as Doc;
}

function put(at: Json, [step, ...rest]: (string | number)[], value: Json): Json {
  if (step === undefined) return value;
  if (typeof step === 'number') {
    const list = Array.isArray(at) ? [...at] : [];
    list[step] = put(list[step], rest, value);
    return list;
  }
  const doc: Doc = isDoc(at) ? { ...at } : {};
  const next = put(doc[step], rest, value);
  if (next === undefined) delete doc[step];
  else doc[step] = next;
  return doc;
}

export function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  // Of one secret, whether or not its time was told.
  if (isMask(a) && isMask(b)) return a.fingerprint === b.fingerprint;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((one, index) => same(one, b[index]));
  }
  if (isDoc(a) && isDoc(b)) {
    const names = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...names].every((name) => same(a[name], b[name]));
  }
  return false;
}

/**
 * What makes `after` of `before`, as a merge patch (RFC 7396): only what changed, `null` for what is gone.
 * `undefined` where nothing changed.
 */
export function mergePatch(before: Json, after: Json): Json {
  if (same(before, after)) return undefined;
  // A secret in place of its mask is no change within the mask.
  if (!isDoc(before) || !isDoc(after) || isMask(before) || isMask(after)) return after ?? null;
  // Another variant (`{"radius": …}` in the place of `{"ad": …}`) keeps nothing: merging takes out what went.
  const patch: Doc = {};
  for (const name of Object.keys({ ...before, ...after })) {
    const part = mergePatch(before[name], after[name]);
    if (part !== undefined) patch[name] = part;
  }
  return patch;
}

/** What a merge patch makes of a document. */
export function applyPatch(target: Json, patch: Json): Json {
  if (!isDoc(patch)) return patch;
  const made: Doc = isDoc(target) && !isMask(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete made[name];
    else made[name] = isMask(value) ? value : applyPatch(made[name], value);
  }
  return made;
}

/** How many fields a patch changes, for people: lists and secrets count once. */
export function changes(patch: Json): number {
  if (!isDoc(patch)) return 1;
  return Object.values(patch).reduce<number>((sum, value) => sum + changes(value), 0);
}

/** Whether a field says something else than what holds without it. */
export function says(value: Json, fallback: string | null): boolean {
  if (value === undefined || value === null || value === '') return false;
  if (Array.isArray(value)) return value.length > 0 && value.join(',') !== fallback;
  return String(value) !== (fallback ?? 'false');
}
