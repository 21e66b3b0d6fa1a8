/**
 * A form of one document of the configuration: what was read, what it is to be, and what the API says of that
 * before it is written.
 */
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError } from '@/api/client';
import { type Fault, faultsOf, messageAt, variantOf, wasTouched } from './faults';
import type { Kind } from './help';
import { changes, type Doc, get, type Json, mergePatch, same, set } from './path';
import { rebase } from './rebase';

/** A document as it was read, and the tag of it. */
export interface Read {
  doc: Doc;
  tag: string | null;
}

export interface Form {
  kind: Kind;
  /** Mode of an integration, kind of an authenticator. */
  variant: string;
  /** Whether there is none of it yet. */
  fresh: boolean;
  readOnly: boolean;
  base: Read;
  values: Doc;
  /** What would be written: a merge patch, or nothing. */
  patch: Json;
  dirty: boolean;
  /** How many fields differ. */
  count: number;
  /** What the API says, of fields that somebody has been at. */
  faults: readonly Fault[];
  /** What it says besides. */
  problem: unknown;
  /** Whether what was typed last is being looked at. */
  checking: boolean;
  /** Whether somebody else changed it since it was read. */
  outdated: boolean;
  at: (path: string) => Json;
  error: (path: string) => string | null;
  change: (path: string, value: Json) => void;
  /** Several fields at once. */
  changeAll: (make: (doc: Doc) => Doc, touched?: string[]) => void;
  touch: (path: string) => void;
  /** Everything as it was read. */
  reset: () => void;
  takeTheirs: () => void;
  keepMine: () => void;
  /** What was written is what there is: what is read next takes the place of what stands here. */
  applied: () => void;
  /** Shows all faults: somebody wants to go on. */
  reveal: () => void;
  /** A dry run of all of it; throws what the API refuses. */
  check: () => Promise<unknown>;
  refused: (error: unknown) => void;
}

const Context = createContext<Form | null>(null);
export const FormProvider = Context.Provider;

export function useForm(): Form {
  const form = useContext(Context);
  if (!form) throw new Error('FormProvider is missing');
  return form;
}

/** What was typed for one choice, for whoever comes back to it, until something else is read or all is reset. */
export function useTyped(base: Read): Map<string, Json> {
  const kept = useRef({ base, typed: new Map<string, Json>() });
  if (kept.current.base !== base) kept.current = { base, typed: new Map() };
  return kept.current.typed;
}

/** How long typing rests before it is looked at, in milliseconds. */
const PAUSE = 500;

export function useDocument({
  kind,
  read,
  fresh,
  readOnly,
  tryOut,
  changedMeanwhile,
}: {
  kind: Kind;
  /** As the API has it now; of a new one what the form begins with. */
  read: Read;
  fresh: boolean;
  readOnly: boolean;
  /** A dry run of writing it; throws what the API refuses. */
  tryOut: (form: { values: Doc; patch: Json; tag: string | null }) => Promise<unknown>;
  /** Reads it again. */
  changedMeanwhile?: () => void;
}): Form {
  const [base, setBase] = useState(read);
  const [values, setValues] = useState(read.doc);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [revealed, setRevealed] = useState(false);
  const [found, setFound] = useState<Fault[]>([]);
  const [problem, setProblem] = useState<unknown>(null);
  const [checking, setChecking] = useState(false);

  const patch = useMemo(() => mergePatch(base.doc, values), [base.doc, values]);
  const dirty = patch !== undefined;
  const outdated = !fresh && read.tag !== base.tag;

  const begin = useCallback((from: Read, doc: Doc) => {
    setBase(from);
    setValues(doc);
    setTouched(new Set());
    setRevealed(false);
    setFound([]);
    setProblem(null);
  }, []);

  // Nobody has written here: what is shown is what there is.
  useEffect(() => {
    if (!dirty && !fresh && (read.tag !== base.tag || !same(read.doc, base.doc))) begin(read, read.doc);
  }, [dirty, fresh, read, base, begin]);

  const variant = variantOf(kind, values);
  const refused = useCallback(
    (error: unknown) => {
      const of = faultsOf(kind, values, error);
      setFound(of);
      if (of.length > 0) return setProblem(null);
      const known = error instanceof ApiError ? error : null;
      if (known?.kind === 'changed') {
        setProblem(null);
        return changedMeanwhile?.();
      }
      if (fresh && known?.kind === 'conflict' && /is there already/.test(known.message)) {
        setProblem(null);
        return setFound([{ path: 'id', message: `${String(values.id)} is there already` }]);
      }
      setProblem(error);
    },
    [kind, values, fresh, changedMeanwhile],
  );

  const latest = useRef({ tryOut, refused, values });
  latest.current = { tryOut, refused, values };
  const asked = touched.size > 0 || revealed;
  useEffect(() => {
    if (!dirty || !asked || readOnly || outdated) {
      setChecking(false);
      if (!dirty) {
        setFound([]);
        setProblem(null);
      }
      return;
    }
    let current = true;
    setChecking(true);
    const timer = setTimeout(async () => {
      try {
        await latest.current.tryOut({ values, patch, tag: base.tag });
        if (!current) return;
        setFound([]);
        setProblem(null);
      } catch (error) {
        if (current) latest.current.refused(error);
      } finally {
        if (current) setChecking(false);
      }
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [values, patch, base.tag, dirty, asked, readOnly, outdated]);

  // Of something that was good before, each fault comes of what was changed here.
  const faults = useMemo(
    () => (fresh && !revealed ? found.filter(({ path }) => wasTouched(touched, path)) : found),
    [fresh, revealed, found, touched],
  );

  const touch = useCallback(
    (path: string) => setTouched((known) => (known.has(path) ? known : new Set(known).add(path))),
    [],
  );
  const changeAll = useCallback((make: (doc: Doc) => Doc, paths: string[] = []) => {
    setValues(make);
    setTouched((known) => new Set([...known, ...paths]));
  }, []);
  const change = useCallback(
    (path: string, value: Json) => {
      setValues((doc) => set(doc, path, value));
      touch(path);
    },
    [touch],
  );

  return {
    kind,
    variant,
    fresh,
    readOnly,
    base,
    values,
    patch,
    dirty,
    count: patch === undefined ? 0 : changes(patch),
    faults,
    problem,
    checking,
    outdated,
    at: (path) => get(values, path),
    error: (path) => messageAt(faults, path),
    change,
    changeAll,
    touch,
    reset: () => begin({ ...read }, read.doc),
    takeTheirs: () => begin(read, read.doc),
    keepMine: () => {
      setValues(rebase(base.doc, values, read.doc));
      setBase(read);
    },
    applied: () => {
      // What somebody typed while it was on its way stays, and goes on top of what is read next.
      if (same(latest.current.values, values)) begin(read, read.doc);
    },
    reveal: () => setRevealed(true),
    check: () => tryOut({ values, patch, tag: base.tag }),
    refused,
  };
}
