/**
 * What stands behind the `#` of a link: a token that lets somebody in. It is taken out of the address at once,
 * so that neither the history nor a picture of the window keeps it, and lives in memory alone.
 */

export interface Given {
  token: string;
  /** Whom it is for, where the link says so: `#TOKEN&name=alice`. */
  name: string;
}

/** Reads a fragment; nothing where there is none. */
export function readFragment(hash: string): Given | undefined {
  const [token = '', ...rest] = hash.replace(/^#/, '').split('&');
  if (token === '') return undefined;
  const name = new URLSearchParams(rest.join('&')).get('name') ?? '';
  return { token, name };
}

const kept = new Map<string, Given>();

/** The token of this page's address. Asked again, the same: also when the page is drawn anew. */
export function takeFragment(): Given | undefined {
  const { hash, pathname, search } = window.location;
  const given = readFragment(hash);
  if (given) {
    kept.set(pathname, given);
    window.history.replaceState(window.history.state, '', pathname + search);
  }
  return kept.get(pathname);
}

/** Forgets it, once it is used. */
export function forgetFragments(): void {
  kept.clear();
}
