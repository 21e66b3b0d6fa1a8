import type { Token } from './queries';

export const DAY_SECONDS = 86_400;
/** The most that a token is made for here; the API allows as much. */
export const MOST_DAYS = 3_650;

/** What to type to use a token; of an address with a certificate, with a hint where that is self-made. */
export function curlLine(origin: string, token: string): string {
  return `curl -H 'Authorization: Bearer ${token}' \\\n  ${origin}/api/v1/integrations`;
}

/** Whether a token has the text that is looked for in its name, its maker or its id. */
export function isLike(token: Token, q: string): boolean {
  const wanted = q.trim().toLowerCase();
  return [token.name, token.created_by, token.id, token.role].some((text) =>
    text.toLowerCase().includes(wanted),
  );
}
