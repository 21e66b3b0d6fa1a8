/**
 * The logins that the page has, one row a login: requests of one challenge login are together. Newest first,
 * by the login's last request. Bounded: the oldest go first, and are asked for again when they are looked at.
 */
import type { Schemas } from '@/api/client';
import { inOrder } from '@/components/login/explain';
import { loginOf } from '@/components/login/words';

export type Stored = Schemas['StoredEvent'];

/** The most events in memory. */
export const KEPT_EVENTS = 100_000;

/** One login. A row that changes is another object. */
export interface Row {
  /** The id of its first request. */
  readonly id: string;
  /** Its requests, oldest first; those that are known. */
  readonly events: readonly Stored[];
  /** Its newest request, by which it is sorted. */
  readonly last: Stored;
}

/** Whether `a` stands above `b`. */
function isNewer(a: Stored, b: Stored): boolean {
  return a.event.at_ms !== b.event.at_ms ? a.event.at_ms > b.event.at_ms : a.seq > b.seq;
}

function rowOf(id: string, events: readonly Stored[]): Row {
  const ordered = inOrder(events);
  const newest = ordered.reduce((one, other) => (isNewer(other, one) ? other : one));
  return { id, events: ordered, last: newest };
}

export class LoginLog {
  #rows: Row[] = [];
  readonly #byId = new Map<string, Row>();
  #events = 0;
  #cut = false;

  constructor(readonly kept: number = KEPT_EVENTS) {}

  /** Newest first. Not to be written to. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** How many events it has. */
  get size(): number {
    return this.#events;
  }

  get isFull(): boolean {
    return this.#events >= this.kept;
  }

  /** Where older ones begin, when some were dropped; `null` when none were. */
  get cursorOfCut(): string | null {
    const last = this.#rows.at(-1)?.last;
    return this.#cut && last ? `${last.event.at_ms}-${last.seq}` : null;
  }

  has(stored: Stored): boolean {
    return (
      this.#byId.get(loginOf(stored.event))?.events.some((one) => one.event.id === stored.event.id) ?? false
    );
  }

  find(id: string): number {
    const row = this.#byId.get(id);
    return row ? this.#rows.indexOf(row) : -1;
  }

  clear(): void {
    this.#rows = [];
    this.#byId.clear();
    this.#events = 0;
    this.#cut = false;
  }

  /** A page of older ones, newest first, as the API gives them. */
  older(page: readonly Stored[]): void {
    this.#cut = false;
    for (const stored of page) this.#put(stored, 'below');
  }

  /** What has just come. */
  newer(events: readonly Stored[]): void {
    for (const stored of events) this.#put(stored, 'above');
    while (this.#events > this.kept) {
      const gone = this.#rows.pop();
      if (!gone) break;
      this.#byId.delete(gone.id);
      this.#events -= gone.events.length;
      this.#cut = true;
    }
  }

  #put(stored: Stored, from: 'above' | 'below'): void {
    const id = loginOf(stored.event);
    const before = this.#byId.get(id);
    if (before?.events.some((one) => one.event.id === stored.event.id)) return;
    this.#events += 1;
    const row = rowOf(id, before ? [...before.events, stored] : [stored]);
    this.#byId.set(id, row);
    if (before) {
      const place = from === 'above' ? this.#rows.indexOf(before) : this.#rows.lastIndexOf(before);
      if (row.last === before.last) {
        this.#rows[place] = row;
        return;
      }
      this.#rows.splice(place, 1);
    }
    this.#rows.splice(this.#place(row.last, from), 0, row);
  }

  /** What comes is mostly the newest, and what is asked for the oldest: few steps either way. */
  #place(last: Stored, from: 'above' | 'below'): number {
    const rows = this.#rows;
    if (from === 'above') {
      let place = 0;
      while (place < rows.length && isNewer((rows[place] as Row).last, last)) place += 1;
      return place;
    }
    let place = rows.length;
    while (place > 0 && isNewer(last, (rows[place - 1] as Row).last)) place -= 1;
    return place;
  }
}
