/**
 * A path of this page, or nothing: where somebody is led after the sign-in stands in the address, which
 * anybody may have written. `//host` and `/\host` are other machines for a browser.
 */
export function localPath(to: string | undefined): string | undefined {
  if (!to?.startsWith('/') || /^\/[/\\]/.test(to)) return undefined;
  // Browsers leave these out, and `/\t/host` is `//host` then.
  for (const character of to) if (character < ' ' || character === '\u007f') return undefined;
  if (/^\/(sign-in|setup|invitation|api)(?![\w-])/.test(to)) return undefined;
  return to;
}
