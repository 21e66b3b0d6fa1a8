import { useEffect, useState } from 'react';
import type { Schemas } from '@/api/client';
import { type Source, validate } from './source';

/** How long nothing is typed before it is looked at, in milliseconds. */
const PAUSE = 400;

export interface Validation {
  found: Schemas['Findings'] | null;
  error: unknown;
  /** Whether what is found is of an earlier text. */
  pending: boolean;
}

/** What the gateway says of a text while it is typed. */
export function useValidation(
  source: Source,
  text: string,
  files: Record<string, string>,
  enabled: boolean,
): Validation {
  const [state, setState] = useState<Validation>({ found: null, error: null, pending: false });
  useEffect(() => {
    if (!enabled || text.trim() === '') {
      setState({ found: null, error: null, pending: false });
      return;
    }
    const abort = new AbortController();
    setState((before) => ({ ...before, pending: true }));
    const timer = setTimeout(async () => {
      try {
        const found = await validate(source, text, files, abort.signal);
        if (!abort.signal.aborted) setState({ found, error: null, pending: false });
      } catch (error) {
        if (!abort.signal.aborted) setState((before) => ({ ...before, error, pending: false }));
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [source, text, files, enabled]);
  return state;
}
