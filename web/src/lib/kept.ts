import { useRef } from 'react';

/** What a dialog is about, and what it was about while it goes. */
export function useKept<T>(about: T | null): T | null {
  const last = useRef(about);
  if (about !== null) last.current = about;
  return last.current;
}
