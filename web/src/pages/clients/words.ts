/** What the address asks of the list, and what each client wants next. Pure. */
import type { Schemas } from '@/api/client';

type ClientSeen = Schemas['ClientSeen'];
type Integration = Schemas['Integration'];

export const SORTS = [
  { value: 'integration', label: 'Integration' },
  { value: 'address', label: 'Address' },
  { value: '-last_unsigned_ms', label: 'Unsigned last' },
  { value: '-last_signed_ms', label: 'Signed last' },
] as const;
export type Sort = (typeof SORTS)[number]['value'];

export const KINDS = [
  { value: 'all', label: 'All' },
  { value: 'true', label: 'Not ready' },
  { value: 'false', label: 'Ready' },
] as const;

/** How many there are on a page. */
export const LIMIT = 50;

/** As the API is asked; what nobody could mean is left out. */
export function queryOf(search: Record<string, string | undefined>) {
  const { unsigned, integration, q, sort, cursor } = search;
  return {
    limit: LIMIT,
    ...((unsigned === 'true' || unsigned === 'false') && { unsigned: unsigned === 'true' }),
    ...(integration && { integration }),
    ...(q && { q }),
    sort: SORTS.find(({ value }) => value === sort)?.value ?? SORTS[0].value,
    ...(cursor && { cursor }),
  };
}

export interface Next {
  state: 'unsigned' | 'others' | 'waiting' | 'ready' | 'required' | 'gone';
  word: string;
  colour: string;
  /** What to do, or why nothing is to be done. */
  text: string;
}

/** How long none may have come without one, in milliseconds. */
const QUIET = 7 * 86_400_000;

/** What is to be done about a client. */
export function nextOf(seen: ClientSeen, integrations: readonly Integration[], now: number): Next {
  const client = integrations
    .find(({ id }) => id === seen.integration)
    ?.clients.find(({ address }) => address === seen.client);
  if (!seen.client) {
    return {
      state: 'gone',
      word: 'no client now',
      colour: 'gray',
      text: 'It is no longer in the configuration. Its requests are dropped.',
    };
  }
  if (client?.message_authenticator === 'require') {
    return {
      state: 'required',
      word: 'required',
      colour: 'green',
      text: 'Already required. Nothing to do.',
    };
  }
  if (seen.ready) {
    return {
      state: 'ready',
      word: 'ready',
      colour: 'blue',
      text: `Set message_authenticator of client ${seen.client} to require.`,
    };
  }
  const quiet = seen.last_unsigned_ms === null || seen.last_unsigned_ms + QUIET <= now;
  if (seen.last_signed_ms !== null && quiet) {
    return {
      state: 'others',
      word: 'signs',
      colour: 'indigo',
      text: `This address signs; others of client ${seen.client} do not, or have not for a full 7 days. Requiring it would affect all of them.`,
    };
  }
  if (seen.last_signed_ms !== null && seen.last_signed_ms > (seen.last_unsigned_ms ?? 0)) {
    return {
      state: 'waiting',
      word: 'signs now',
      colour: 'indigo',
      text: `Its latest request was signed. Wait for 7 days without an unsigned one${left(seen, now)}.`,
    };
  }
  return {
    state: 'unsigned',
    word: 'unsigned',
    colour: 'orange',
    text: 'Turn on Message-Authenticator on the device, or update its software.',
  };
}

function left({ last_unsigned_ms }: ClientSeen, now: number): string {
  if (last_unsigned_ms === null) return '';
  const days = Math.max(1, Math.ceil((last_unsigned_ms + QUIET - now) / 86_400_000));
  return `: ${days} ${days === 1 ? 'day' : 'days'} more`;
}
