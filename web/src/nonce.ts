/** The nonce that lets libraries add style elements: the page's policy refuses others. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
}
