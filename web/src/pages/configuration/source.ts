/** Where the text comes from and where it goes: the file that is the truth, or the database. */
import { queryOptions } from '@tanstack/react-query';
import { ApiError, api, ask, askFor, type Schemas } from '@/api/client';
import { withPlainEnds } from './ini';

export type Source = { kind: 'database' } | { kind: 'file'; path: string };

/** How a text is brought in: in the place of all there is, or beside it. A file is always written whole. */
export type How = 'replace' | 'merge';

export interface Sheet {
  /** Its lines end with LF, whatever they end with where it came from. */
  text: string;
  /** How the lines of a file end, which it gets back. */
  lineEnd: '\n' | '\r\n';
  /** The files that the text names, by name; where a file is the truth they are on the disk. */
  files: Record<string, string>;
  /** The version that it is of. */
  tag: string | null;
  /** Settings that no file can hold. */
  leftOut: string[];
}

/** One and the same, so that what is typed is not put aside for it. */
export const EMPTY: Sheet = { text: '', lineEnd: '\n', files: {}, tag: null, leftOut: [] };

/** What stands in the place of a private key. */
const PLACEHOLDER = '[secret]';

/** The files that the API gave no content of: private keys have no sealed form. */
export function missingKeys(files: Record<string, string>): string[] {
  return Object.keys(files)
    .filter((name) => files[name]?.trim() === PLACEHOLDER)
    .sort();
}

/** What messages call the text. */
export function nameOf(source: Source): string {
  return source.kind === 'file' ? source.path : 'authproxy.cfg';
}

/** Reads it. `whole`: with sealed secrets, so that it can be brought back; the audit notes that. */
export async function read(source: Source, whole: boolean): Promise<Sheet> {
  const query = !whole ? {} : source.kind === 'file' ? { as_typed: true } : { secrets: 'sealed' as const };
  const { data, response } = await askFor(api.GET('/api/v1/config', { params: { query } }));
  return {
    text: withPlainEnds(data.text),
    lineEnd: data.text.includes('\r\n') ? '\r\n' : '\n',
    files: Object.fromEntries(data.files.map(({ name, content }) => [name, content])),
    tag: response.headers.get('etag'),
    leftOut: data.left_out,
  };
}

export function sheetQuery(source: Source | null, whole: boolean, none: boolean) {
  return queryOptions({
    // Not below `config`: what is being edited is not read again because something else changed.
    queryKey: ['sheet', source, whole, none],
    queryFn: () => (none || !source ? EMPTY : read(source, whole)),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    retry: false,
  });
}

/** The version that is there now. */
export function tagQuery(source: Source) {
  return queryOptions({
    queryKey: ['config', 'tag', source.kind],
    queryFn: async () => (await askFor(api.GET('/api/v1/config'))).response.headers.get('etag'),
    refetchInterval: 10_000,
    // One of an earlier visit would say that something changed meanwhile.
    gcTime: 0,
    retry: false,
  });
}

export async function validate(
  source: Source,
  text: string,
  files: Record<string, string>,
  signal: AbortSignal,
): Promise<Schemas['Findings']> {
  const inPlace = source.kind === 'file';
  return ask(
    api.POST('/api/v1/config/validate', {
      params: { query: inPlace ? { in_place: true } : {} },
      body: inPlace ? { text, name: nameOf(source) } : { text, name: nameOf(source), files },
      signal,
    }),
  );
}

export interface Tried {
  differences: Schemas['Difference'][];
  found: Schemas['Findings'];
  /** What applying it is based on. */
  basedOn: string | null;
}

export interface Done extends Tried {
  /** The revision that was made; null where nothing changed. */
  revision: number | null;
  /** Of a file: what reading it again said. */
  reload: Schemas['Reload'] | null;
}

export interface Deed {
  source: Source;
  how: How;
  text: string;
  lineEnd: Sheet['lineEnd'];
  files: Record<string, string>;
  tag: string | null;
}

/** Does it, or tries it. Rejects with `changed` when it is not based on what is there. */
export async function bring(deed: Deed, dryRun: boolean, message = ''): Promise<Done> {
  const { source, how, text, lineEnd, files, tag } = deed;
  const header = tag ? { 'If-Match': tag } : {};
  if (source.kind === 'file') {
    const { data, response } = await askFor(
      api.PUT('/api/v1/config', {
        params: { query: { dry_run: dryRun }, header },
        body: { text: text.replaceAll('\n', lineEnd), name: source.path },
      }),
    );
    const reload = data.reload ?? null;
    return {
      differences: data.differences,
      found: data.found,
      basedOn: dryRun ? tag : response.headers.get('etag'),
      revision: data.differences.length > 0 && !isRefused(reload) ? (reload?.revision ?? null) : null,
      reload,
    };
  }
  const query = { dry_run: dryRun, merge: how === 'merge', ...(message === '' ? {} : { message }) };
  const data = await ask(
    api.POST('/api/v1/config/import', {
      params: { query, header },
      body: { text, name: nameOf(source), files },
    }),
  );
  return {
    differences: data.differences,
    found: data.found,
    basedOn: data.based_on,
    revision: data.revision?.number ?? null,
    reload: null,
  };
}

/** Whether what was written into the file is not what is served. */
export function isRefused(reload: Schemas['Reload'] | null | undefined): boolean {
  return reload?.result === 'refused' || reload?.result === 'unavailable';
}

export function isChanged(error: unknown): boolean {
  return error instanceof ApiError && error.kind === 'changed';
}
