import { useEffect, useLayoutEffect, useState } from 'react';
import { type Given, takeFragment } from './fragment';

/** The token of this page's address; `null` until it was looked for. */
export function useFragment(): Given | undefined | null {
  const [given, setGiven] = useState<Given | undefined | null>(null);
  useLayoutEffect(() => setGiven(takeFragment()), []);
  // Another link in the same window.
  useEffect(() => {
    const again = () => window.location.hash && setGiven(takeFragment());
    window.addEventListener('hashchange', again);
    return () => window.removeEventListener('hashchange', again);
  }, []);
  return given;
}
