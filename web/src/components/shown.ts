interface Mask {
  set: boolean;
  fingerprint: string;
}

function isMask(value: unknown): value is Mask {
  return typeof value === 'object' && value !== null && 'fingerprint' in value && 'set' in value;
}

/** A value as it is read: texts without quotes, secrets by their fingerprint, the rest as JSON. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return value === '' ? '""' : value;
  if (isMask(value)) return `secret ${value.fingerprint.slice(0, 8)}…`;
  if (typeof value !== 'object') return String(value);
  return JSON.stringify(value, (_key, inner: unknown) => (isMask(inner) ? shown(inner) : inner), 2);
}
