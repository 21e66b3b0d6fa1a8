/** The live stream: read, watched, and opened again where it broke off, from where it was. */
import { type ApiError, errorOf } from '@/api/client';
import { isThere } from '@/api/presence';
import type { Stored } from './log';
import { Reader } from './sse';

export type Connection = 'connecting' | 'live' | 'reconnecting' | 'asleep' | 'ended';

export interface Listener {
  /** How it is; with the fault where there is one. */
  connection(state: Connection, error?: ApiError): void;
  /** It is open. `resumed`: nothing was missed since it was open last. */
  opened(resumed: boolean): void;
  logins(events: Stored[]): void;
  /** The gateway dropped some for us, because we were too slow. */
  missed(): void;
  /** Nobody is signed in any more. */
  signedOut(): void;
}

/** Nothing came for so long, though a comment comes each few seconds: it is dead. */
export const SILENCE_MS = 45_000;
/** A tab that nobody looks at gives its connection back after so long: browsers have six for each place. */
export const HIDDEN_MS = 20_000;

/** How long to wait before the next attempt: twice as long each time, at most 15 s, and never all at once. */
export function backOff(attempt: number, random: number): number {
  const most = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10));
  return most / 2 + (random * most) / 2;
}

export class Stream {
  #abort = new AbortController();
  #lastId = '';
  #attempt = 0;
  #wake: (() => void) | null = null;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #asleep = false;
  #stopped = false;

  constructor(
    /** The filter, as a query. */
    private readonly query: string,
    private readonly listener: Listener,
  ) {}

  start(): void {
    document.addEventListener('visibilitychange', this.#visibility);
    window.addEventListener('online', this.#now);
    this.#visibility();
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#hidden);
    document.removeEventListener('visibilitychange', this.#visibility);
    window.removeEventListener('online', this.#now);
    this.#abort.abort();
    this.#now();
  }

  /** Tries again at once. */
  readonly #now = () => this.#wake?.();

  readonly #visibility = () => {
    clearTimeout(this.#hidden);
    if (!document.hidden) {
      this.#asleep = false;
      this.#now();
      return;
    }
    this.#hidden = setTimeout(() => {
      this.#asleep = true;
      this.#abort.abort();
    }, HIDDEN_MS);
  };

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#asleep) {
        this.listener.connection('asleep');
        await this.#pause(null);
        continue;
      }
      this.listener.connection(this.#attempt === 0 && this.#lastId === '' ? 'connecting' : 'reconnecting');
      const error = await this.#once();
      if (this.#stopped) return;
      if (this.#asleep) continue;
      if (error?.status === 401) {
        this.listener.connection('ended', error);
        this.listener.signedOut();
        return;
      }
      if (error && error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.listener.connection('ended', error);
        return;
      }
      this.listener.connection('reconnecting', error ?? undefined);
      const wait = backOff(this.#attempt, Math.random());
      this.#attempt += 1;
      await this.#pause(Math.max(wait, (error?.retryAfter ?? 0) * 1_000));
    }
  }

  #pause(ms: number | null): Promise<void> {
    return new Promise((done) => {
      const timer = ms === null ? undefined : setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        done();
      };
    });
  }

  /** One connection, until it ends. What the gateway said, if it refused. */
  async #once(): Promise<ApiError | null> {
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    let watch: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => this.#abort.abort(), SILENCE_MS);
    };
    try {
      alive();
      const resumed = this.#lastId !== '';
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (resumed) headers['last-event-id'] = this.#lastId;
      if (!isThere()) headers['countersign-poll'] = '1';
      const response = await fetch(`/api/v1/events?${this.query}`, {
        headers,
        signal,
        credentials: 'same-origin',
        cache: 'no-store',
      });
      if (!response.ok || !response.body) {
        const body: unknown = await response.json().catch(() => null);
        return errorOf(response, body);
      }
      const reader = new Reader();
      reader.lastId = this.#lastId;
      const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let isOpen = false;
      for (;;) {
        const { done, value } = await pieces.read();
        if (done) return null;
        alive();
        if (!isOpen) {
          isOpen = true;
          this.#attempt = 0;
          this.listener.connection('live');
          this.listener.opened(resumed);
        }
        this.#take(reader, value);
      }
    } catch {
      // The connection broke off, or was: there is no more to say of it than that.
      return null;
    } finally {
      clearTimeout(watch);
    }
  }

  #take(reader: Reader, piece: string): void {
    const logins: Stored[] = [];
    let missed = false;
    for (const { event, data } of reader.read(piece)) {
      if (event === 'login') logins.push(JSON.parse(data) as Stored);
      else if (event === 'lagged') missed = true;
    }
    this.#lastId = reader.lastId;
    if (logins.length > 0) this.listener.logins(logins);
    if (missed) this.listener.missed();
  }
}
