/** `text/event-stream` as the HTML standard has it (9.2.6), as far as the gateway uses it. Pure. */

export interface Message {
  /** `login`, `lagged`; `message` where it is not said. */
  event: string;
  data: string;
}

export class Reader {
  #rest = '';
  #event = '';
  #data: string[] = [];
  /** The number of the last event that the gateway has looked at for us; empty when it named none. */
  lastId = '';

  /** What is whole with this piece of text. */
  read(piece: string): Message[] {
    const found: Message[] = [];
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        if (this.#data.length > 0) {
          found.push({ event: this.#event || 'message', data: this.#data.join('\n') });
        }
        this.#event = '';
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(':');
      // A comment: it says that the stream lives.
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'event') this.#event = value;
      else if (name === 'data') this.#data.push(value);
      else if (name === 'id') this.lastId = value;
    }
    return found;
  }
}
