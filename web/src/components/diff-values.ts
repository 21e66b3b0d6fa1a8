/** Values of the configuration as people read them: by the words of their fields, certificates by name. */
import { plural } from '@/lib/format';
import type { Field } from '@/pages/forms/fields';
import { MODE_NAMES } from '@/pages/forms/integration-fields';
import { isDoc, isMask, type Json } from '@/pages/forms/path';
import { shown } from './shown';

/** A certificate or a key, which is long: its name in one line, and all of it. */
export interface Block {
  name: string;
  body: string;
}

/** A value as it is read. */
export interface Said {
  text: string;
  blocks: Block[];
}

/** How long a list is to be for what both sides have to be left out. */
const LONG = 6;

/** `value`, which `other` was or becomes, as its field says it. */
export function said(value: Json, other: Json, field?: Field): Said {
  const certificates = beside(value, other);
  if (certificates) return certificates;
  const one = (item: Json) => oneSaid(item, field);
  if (Array.isArray(value) && value.every((item) => !Array.isArray(item))) {
    const mine = value.map(one);
    const theirs = Array.isArray(other) ? other.map(one) : [];
    const differing = mine.filter((item) => !theirs.includes(item));
    const both = mine.length - differing.length;
    if (mine.length > LONG && both > 0 && differing.length > 0) {
      return { text: [`${both} as on the other side, and:`, ...differing].join('\n'), blocks: [] };
    }
    return { text: mine.join(field?.input === 'factors' ? ', ' : '\n'), blocks: [] };
  }
  return { text: one(value), blocks: [] };
}

function oneSaid(value: Json, field?: Field): string {
  if (isDoc(value) && !isMask(value)) {
    if (field?.input === 'hosts') {
      const name = String(value.name);
      return `${name.includes(':') ? `[${name}]` : name}:${String(value.port ?? '')}`;
    }
    if (field?.input === 'attribute' || field?.input === 'attributes') {
      const number = value.vendor ? `${String(value.vendor)}/${String(value.number)}` : String(value.number);
      return `${String(value.name)} (${number}, ${String(value.data_type)})`;
    }
    return shown(value);
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') {
    const name = field?.path === 'mode' ? MODE_NAMES[value] : field?.names?.[value];
    if (name) return name;
    // Of a delimiter or a blank nothing would be seen.
    if (value !== '' && !/[\p{L}\p{N}]/u.test(value)) return `“${value}”`;
    return value === '' ? 'empty' : value;
  }
  return field?.unit ? `${shown(value)} ${field.unit}` : shown(value);
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/** The certificates of a text that is nothing but certificates; null of any other. */
function blocksOf(value: unknown): string[] | null {
  if (typeof value !== 'string') return null;
  const found = value.match(BLOCK);
  return found && value.replace(BLOCK, '').trim() === '' ? found.map((block) => block.trim()) : null;
}

/** By its end: the ends of certificates are signatures, and no two are the same. */
function named(block: string): Block {
  const kind = (/-----BEGIN ([A-Z0-9 ]+)-----/.exec(block)?.[1] ?? 'part').toLowerCase();
  const inner = block.replace(/-----[^-]+-----/g, '').replace(/[\s=]/g, '');
  return {
    name: `${kind.charAt(0).toUpperCase()}${kind.slice(1)} that ends in ${inner.slice(-8)}`,
    body: block,
  };
}

/**
 * Of certificates those that the other has not, and how many both have. Nothing that differs is ever cut:
 * somebody decides by it whom the gateway trusts.
 */
function beside(value: unknown, other: unknown): Said | null {
  const [mine, theirs] = [blocksOf(value), blocksOf(other) ?? []];
  if (!mine) return null;
  const different = mine.filter((block) => !theirs.includes(block));
  const both = mine.length - different.length;
  if (different.length === 0) {
    const order = mine.length === theirs.length ? ', in another order or form' : '';
    return { text: `${plural(both, 'part')} as on the other side${order}`, blocks: [] };
  }
  return {
    text: both === 0 ? '' : `${plural(both, 'part')} as on the other side, and:`,
    blocks: different.map(named),
  };
}
