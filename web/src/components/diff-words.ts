/**
 * Differences of the configuration in the words of its forms: each at the label of its field, whole things
 * field by field, and what holds by default anyway left out of something new.
 */
import type { Schemas } from '@/api/client';
import { authenticatorGroups, KIND_NAMES } from '@/pages/forms/authenticator-fields';
import { variantOf } from '@/pages/forms/faults';
import type { Field } from '@/pages/forms/fields';
import { helpOf, type Kind } from '@/pages/forms/help';
import { CLIENT_FIELDS, INTEGRATION_GROUPS, isBuiltIn } from '@/pages/forms/integration-fields';
import { type Doc, isDoc, isMask, type Json, same, says } from '@/pages/forms/path';
import { SETTINGS_GROUPS } from '@/pages/forms/settings-fields';
import { type Said, said } from './diff-values';
import { shown } from './shown';

type Difference = Schemas['Difference'];

export type Change = 'added' | 'removed' | 'changed';

export interface Line {
  /** As the API has it, within its thing. */
  path: string;
  label: string;
  change: Change;
  before: Said | null;
  after: Said | null;
  /** Whether nobody chose it: what the gateway makes for its own second factor. */
  made: boolean;
}

/** An integration, an authenticator, the settings: what of it differs. */
export interface Thing {
  path: string;
  title: string;
  change: Change;
  lines: Line[];
  /** How many fields of something new say what holds anyway. */
  defaults: number;
}

const FIELDS: Record<Kind, Map<string, Field>> = {
  integration: byPath([...INTEGRATION_GROUPS.flatMap(({ fields }) => fields), ...CLIENT_FIELDS]),
  authenticator: byPath(
    ['ad', 'radius'].flatMap((kind) => authenticatorGroups(kind).flatMap(({ fields }) => fields)),
  ),
  settings: byPath(SETTINGS_GROUPS.flatMap(({ fields }) => fields)),
};

const KINDS: Record<string, Kind> = {
  integrations: 'integration',
  authenticators: 'authenticator',
  settings: 'settings',
};

/** What decides who gets in is said of something new, also where it is the default. */
const ALWAYS = ['mode', 'port', 'fail_mode', 'kind.ad.transport'];

function byPath(fields: Field[]): Map<string, Field> {
  return new Map(fields.map((field) => [field.path, field]));
}

/** `integrations[vpn].port` -> `integrations[vpn]`; settings have no element. */
export function thingOf(path: string): string {
  return /^[a-z_]+(\[[^\]]*\])?/.exec(path)?.[0] ?? path;
}

function nameOf(thing: string): string {
  const [, word = thing, id] = /^([a-z_]+)(?:\[([^\]]*)\])?$/.exec(thing) ?? [];
  const kind = KINDS[word];
  if (kind === 'settings') return 'Settings';
  const name = capital((kind && id !== undefined ? kind : word).replaceAll('_', ' '));
  return id === undefined ? name : `${name} ${id}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function changeOf(before: unknown, after: unknown): Change {
  if (isNothing(before)) return 'added';
  return isNothing(after) ? 'removed' : 'changed';
}

/** A list without elements is none. */
function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

/** What differs, thing by thing. */
export function inWords(differences: readonly Difference[]): Thing[] {
  const things = new Map<string, Difference[]>();
  for (const difference of differences.flatMap(unfolded)) {
    const thing = thingOf(difference.path);
    things.set(thing, [...(things.get(thing) ?? []), difference]);
  }
  return [...things].map(([path, list]) => {
    const kind = KINDS[/^[a-z_]+/.exec(path)?.[0] ?? ''] ?? null;
    const whole = list.find((one) => one.path === path && kind !== null && kind !== 'settings');
    const change = whole ? changeOf(whole.before, whole.after) : 'changed';
    const reading = new Reading(kind, change === 'added' ? (whole?.after as Json) : undefined);
    for (const one of list) {
      reading.read(
        one.path.slice(path.length).replace(/^\./, ''),
        one.before as Json,
        one.after as Json,
        true,
      );
    }
    return { path, title: nameOf(path), change, lines: reading.lines, defaults: reading.defaults };
  });
}

/** A list of things that is new or gone as a whole, one by one. */
function unfolded(difference: Difference): Difference[] {
  const { path, before, after } = difference;
  const list = Array.isArray(after) ? after : before;
  if (!(path in KINDS) || !Array.isArray(list) || (before && after)) return [difference];
  return list.map((one) => ({
    path: isDoc(one) && typeof one.id === 'string' ? `${path}[${one.id}]` : path,
    ...(Array.isArray(after) ? { after: one } : { before: one }),
  }));
}

/** Reads the differences of one thing. */
class Reading {
  readonly lines: Line[] = [];
  defaults = 0;
  private readonly variant: string;
  private readonly builtIn: boolean;

  constructor(
    private readonly kind: Kind | null,
    /** The whole of it, where it is new. */
    private readonly whole: Json,
  ) {
    this.variant = kind && isDoc(whole) ? variantOf(kind, whole) : '';
    this.builtIn = isDoc(whole) && isBuiltIn(whole) && isHere(whole);
  }

  /** `told`: the API says that it differs, whether or not it shows. */
  read(path: string, before: Json, after: Json, told = false): void {
    if (!told && (same(before, after) || (isNothing(before) && isNothing(after)))) return;
    if (this.kind === null) {
      this.add(path, words(lastOf(path)), before, after);
      return;
    }
    const client = /^clients\[([^\]]*)\](?:\.(.+))?$/.exec(path);
    if (client) {
      this.client(path, client[1] ?? '', client[2], before, after);
      return;
    }
    if (path === 'kind' || /^kind\.[a-z_]+$/.test(path)) {
      this.ofKind(path, before, after);
      return;
    }
    const field = FIELDS[this.kind].get(path);
    if (path === 'clients' && !(isNothing(before) === isNothing(after))) {
      const list = Array.isArray(after) ? after : Array.isArray(before) ? before : [];
      for (const one of list) {
        const at = `clients[${isDoc(one) ? String(one.address) : '?'}]`;
        this.read(at, isNothing(before) ? undefined : one, isNothing(after) ? undefined : one);
      }
      return;
    }
    const isWhole = field === undefined || path === '';
    if (isWhole && isOpen(before) && isOpen(after) && (isDoc(before) || isDoc(after))) {
      const was: Doc = isDoc(before) ? before : {};
      const is: Doc = isDoc(after) ? after : {};
      if (path === 'application' && this.builtIn) {
        this.lines.push(line(path, 'Service', null, { text: 'Built in', blocks: [] }, false));
      }
      for (const name of ordered(this.kind, path, [...new Set([...Object.keys(is), ...Object.keys(was)])])) {
        this.read(path === '' ? name : `${path}.${name}`, was[name], is[name]);
      }
      return;
    }
    // The title has it.
    if (path === 'id') return;
    if (
      this.whole !== undefined &&
      !ALWAYS.includes(path) &&
      !says(isAttribute(after) ? after.name : after, this.fallback(path))
    ) {
      this.defaults += isNothing(after) ? 0 : 1;
      return;
    }
    this.add(path, this.label(path), before, after, field);
  }

  /** What a new thing has without saying it. */
  private fallback(path: string): string | null {
    const { kind } = this;
    if (kind === null) return null;
    const own = helpOf(kind, this.variant, path);
    // Of a mode that has the option, and no default, nothing holds by itself.
    if (own.option !== null) return own.default;
    // What a mode ignores has the default of those that use it.
    return (
      ['auto', 'challenge', 'eap']
        .map((variant) => helpOf(kind, variant, path).default)
        .find((found) => found !== null) ?? null
    );
  }

  private label(path: string): string {
    const order = / \(order\)$/.test(path);
    let at = path.replace(/ \(order\)$/, '');
    const inner: string[] = [];
    while (at !== '') {
      const field = this.kind && FIELDS[this.kind].get(at);
      const label = field ? field.label : at === 'clients' ? 'Clients' : null;
      if (label) return [label, ...inner, ...(order ? ['order'] : [])].join(': ');
      inner.unshift(words(lastOf(at)).toLowerCase());
      at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '';
    }
    return capital([...inner, ...(order ? ['order'] : [])].join(': '));
  }

  private client(path: string, address: string, inner: string | undefined, before: Json, after: Json): void {
    if (inner !== undefined) {
      const field = CLIENT_FIELDS.find((one) => one.path === `clients[].${inner}`);
      const label = field?.label ?? words(inner).toLowerCase();
      this.add(path, `Client ${address}: ${label}`, before, after, field);
      return;
    }
    this.lines.push(line(path, `Client ${address}`, clientSaid(before), clientSaid(after), false));
  }

  /** Another kind is said by its name, and then field by field. */
  private ofKind(path: string, before: Json, after: Json): void {
    const names = (value: Json): Doc =>
      path !== 'kind'
        ? isNothing(value)
          ? {}
          : { [path.slice('kind.'.length)]: value }
        : isDoc(value)
          ? value
          : typeof value === 'string'
            ? { [value]: {} }
            : {};
    const [was, is] = [names(before), names(after)];
    const title = (doc: Doc): Said | null => {
      const name = Object.keys(doc)[0];
      return name === undefined ? null : { text: KIND_NAMES[name] ?? name, blocks: [] };
    };
    if (Object.keys(was).join() !== Object.keys(is).join()) {
      const known = this.lines.find((one) => one.path === 'kind');
      const [gone, come] = [title(was) ?? known?.before ?? null, title(is) ?? known?.after ?? null];
      const said = line('kind', 'Kind', gone, come, false);
      if (known) this.lines.splice(this.lines.indexOf(known), 1, said);
      else this.lines.push(said);
    }
    for (const name of new Set([...Object.keys(is), ...Object.keys(was)])) {
      const [old, now] = [was[name], is[name]];
      const inner = new Set([
        ...(isDoc(now) ? Object.keys(now) : []),
        ...(isDoc(old) ? Object.keys(old) : []),
      ]);
      for (const one of ordered('authenticator', `kind.${name}`, [...inner])) {
        this.read(
          `kind.${name}.${one}`,
          isDoc(old) ? old[one] : undefined,
          isDoc(now) ? now[one] : undefined,
        );
      }
    }
  }

  private add(path: string, label: string, before: Json, after: Json, field?: Field): void {
    const none = isNothing(before) && isNothing(after);
    const was = none || !isNothing(before) ? before : undefined;
    const is = none || !isNothing(after) ? after : undefined;
    this.lines.push(
      line(
        path,
        label,
        was === undefined || was === null ? null : said(was, is, field),
        is === undefined || is === null ? null : said(is, was, field),
        this.builtIn && path.startsWith('application.'),
      ),
    );
  }
}

function line(path: string, label: string, before: Said | null, after: Said | null, made: boolean): Line {
  const change = before === null ? 'added' : after === null ? 'removed' : 'changed';
  return { path, label, change, before, after, made };
}

/** Whether it can be looked into: a secret stands for what nobody sees. */
function isOpen(value: Json): boolean {
  return value === undefined || value === null || (isDoc(value) && !isMask(value));
}

function isAttribute(value: Json): value is Doc {
  return isDoc(value) && 'data_type' in value;
}

/** The service of this installation, and not one of whoever wrote it. */
function isHere(doc: Doc): boolean {
  const host = isDoc(doc.application) ? doc.application.host : null;
  return host === 'builtin' || host === 'localhost' || host === '127.0.0.1';
}

/** As the form has them; what it has not comes last. */
function ordered(kind: Kind, path: string, names: string[]): string[] {
  const known = [...FIELDS[kind].keys()];
  const place = (name: string) => {
    const whole = path === '' ? name : `${path}.${name}`;
    const at = known.findIndex(
      (one) => one === whole || one.startsWith(`${whole}.`) || one.startsWith(`${whole}[`),
    );
    return at < 0 ? known.length : at;
  };
  return names.sort((a, b) => place(a) - place(b));
}

const lastOf = (path: string) => path.split('.').at(-1) ?? path;
const words = (name: string) => capital(name.replaceAll('_', ' '));

function clientSaid(value: Json): Said | null {
  if (!isDoc(value)) return null;
  const policy = CLIENT_FIELDS.find(({ path }) => path === 'clients[].message_authenticator');
  const word = String(value.message_authenticator ?? 'auto');
  const of = word === 'auto' ? '' : `, Message-Authenticator: ${policy?.names?.[word] ?? word}`;
  return { text: `${isNothing(value.secret) ? 'no secret' : shown(value.secret)}${of}`, blocks: [] };
}
