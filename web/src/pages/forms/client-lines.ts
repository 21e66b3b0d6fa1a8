/** Many clients at once, as they are written in lists: one in a line, an address and its secret. */

export interface PastedClient {
  address: string;
  secret: string;
}

export interface Pasted {
  clients: PastedClient[];
  /** Lines that cannot be read, with their numbers from 1. */
  faults: { line: number; message: string }[];
}

/** What can stand between address and secret: blanks, a tab, a comma, a semicolon, `=`. */
const BETWEEN = /^([^\s,;=]+)(?:\s*[,;=]\s*|\s+)(.+)$/;

/** Reads lines. Empty ones and comments say nothing; what may be a secret is never part of a message. */
export function readClients(text: string, known: ReadonlySet<string> = new Set()): Pasted {
  const found: Pasted = { clients: [], faults: [] };
  const seen = new Set(known);
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const fault = (message: string) => {
      found.faults.push({ line: index + 1, message });
    };
    const parts = BETWEEN.exec(line);
    if (!parts) {
      fault('needs an address and a secret, separated by a space or a comma');
      continue;
    }
    const [, address = '', secret = ''] = parts;
    if (!/^[0-9A-Fa-f.:/-]+$/.test(address)) {
      fault('it does not begin with an address');
      continue;
    }
    if (seen.has(address)) {
      fault(`${address} is there already`);
      continue;
    }
    seen.add(address);
    found.clients.push({ address, secret });
  }
  return found;
}
