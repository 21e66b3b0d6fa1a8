/**
 * What the page shows: pages by the API, and what comes by the stream. While it is held, what comes is counted
 * and does not move what is read.
 */
import { type ApiError, api, ask } from '@/api/client';
import { LoginLog, type Row, type Stored } from './log';
import { type Connection, type Listener, Stream } from './stream';

/** Of the first page: fast to be there. */
const FIRST_PAGE = 100;
/** Of the others: fewer questions while one scrolls. */
const NEXT_PAGE = 1_000;
/** More than so many that came while the page was held are not kept: it is loaded again. */
const PENDING = 10_000;
/** After so many pages without a match in a row the reader is asked whether to go on. */
const EMPTY_PAGES = 5;
/** What comes is shown at most so often, in milliseconds. */
const PACE = 150;

export interface Snapshot {
  rows: readonly Row[];
  connection: Connection;
  /** Of the stream. */
  streamError: ApiError | null;
  /** Of a page. */
  error: unknown;
  /** The first page is not there yet. */
  loading: boolean;
  loadingOlder: boolean;
  /** All that match are there. */
  complete: boolean;
  /** Old ones were looked through, and none matched: whoever reads says whether to look further. */
  tired: boolean;
  /** As many as are kept in memory. */
  full: boolean;
  /** How many logins have come while it was held. */
  pending: number;
  /** More has come than is kept: to be loaded again. */
  stale: boolean;
}

export interface Doors {
  page(
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ items: Stored[]; next?: string | null }>;
  stream(query: string, listener: Listener): { start(): void; stop(): void };
}

const DOORS: Doors = {
  page: async (query, signal) => {
    const page = await ask(api.GET('/api/v1/events', { params: { query }, signal }));
    if (typeof page === 'string') throw new Error('the gateway gave no page of logins');
    return page;
  },
  stream: (query, listener) => new Stream(query, listener),
};

export class Feed {
  readonly #log: LoginLog;
  #listeners = new Set<() => void>();
  #snapshot: Snapshot;
  #pending = new Map<string, Stored[]>();
  #pendingEvents = 0;
  #held = false;
  #cursor: string | null = null;
  #emptyPages = 0;
  #abort = new AbortController();
  #stream: { start(): void; stop(): void } | null = null;
  #incoming: Stored[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly query: Record<string, string>,
    private readonly live: boolean,
    private readonly signedOut: () => void,
    private readonly doors: Doors = DOORS,
    log = new LoginLog(),
  ) {
    this.#log = log;
    this.#snapshot = this.#blank();
  }

  #blank(): Snapshot {
    return {
      rows: [],
      connection: this.live ? 'connecting' : 'ended',
      streamError: null,
      error: null,
      loading: true,
      loadingOlder: false,
      complete: false,
      tired: false,
      full: false,
      pending: 0,
      stale: false,
    };
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
  readonly snapshot = () => this.#snapshot;

  find(id: string): number {
    return this.#log.find(id);
  }

  start(): void {
    this.#abort = new AbortController();
    this.#forget();
    this.#change(this.#blank());
    void this.#first();
    if (!this.live) return;
    this.#stream = this.doors.stream(new URLSearchParams(this.query).toString(), {
      connection: (connection, error) => this.#change({ connection, streamError: error ?? null }),
      // What was stored between the page and the stream is in neither: the page is asked once more.
      opened: (resumed) => {
        if (!resumed) void this.#again();
      },
      logins: (events) => this.#come(events),
      missed: () => this.#loseTrack(),
      signedOut: this.signedOut,
    });
    this.#stream.start();
  }

  stop(): void {
    this.#abort.abort();
    this.#stream?.stop();
    this.#stream = null;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Loads all of it again. */
  readonly reload = () => {
    this.stop();
    this.start();
  };

  /** While it is held, what comes is counted. */
  hold(held: boolean): void {
    if (this.#held === held) return;
    this.#held = held;
    if (!held) this.release();
  }

  /** Shows what was counted. */
  readonly release = () => {
    if (this.#snapshot.stale) {
      this.reload();
      return;
    }
    const events = [...this.#pending.values()].flat();
    this.#pending.clear();
    this.#pendingEvents = 0;
    this.#log.newer(events);
    this.#show();
  };

  /** The next page of older ones, if there is one and none is on its way. `further`: though many had no match. */
  readonly older = (further = false): void => {
    const { loading, loadingOlder, complete, full, tired } = this.#snapshot;
    if (loading || loadingOlder || complete || full || (tired && !further)) return;
    const cursor = this.#log.cursorOfCut ?? this.#cursor;
    if (cursor === null) return;
    if (further) this.#emptyPages = 0;
    this.#change({ loadingOlder: true, error: null, tired: false });
    void this.#page({ cursor, limit: String(NEXT_PAGE) }, (page) => {
      this.#emptyPages = page.items.length === 0 ? this.#emptyPages + 1 : 0;
      this.#took(page);
      this.#change({ loadingOlder: false, tired: this.#emptyPages >= EMPTY_PAGES && !!page.next });
    });
  };

  async #first(): Promise<void> {
    await this.#page({ limit: String(FIRST_PAGE) }, (page) => {
      this.#took(page);
      this.#change({ loading: false });
    });
  }

  /** What the first page has now, beside what is there. */
  async #again(): Promise<void> {
    await this.#page({ limit: String(FIRST_PAGE) }, (page) => {
      const news = page.items.filter((stored) => !this.#log.has(stored) && !this.#isPending(stored));
      const gap = this.#log.size > 0 && page.next != null && news.length === page.items.length;
      if (gap) this.#loseTrack();
      else this.#come(news);
    });
  }

  #took(page: { items: Stored[]; next?: string | null }): void {
    this.#log.older(page.items);
    this.#cursor = page.next ?? null;
    this.#change({ complete: page.next == null });
    this.#show();
  }

  async #page(
    query: Record<string, string>,
    took: (page: { items: Stored[]; next?: string | null }) => void,
  ): Promise<void> {
    const { signal } = this.#abort;
    try {
      const page = await this.doors.page({ ...this.query, ...query }, signal);
      if (!signal.aborted) took(page);
    } catch (error) {
      if (signal.aborted) return;
      if ((error as Partial<ApiError>).status === 401) this.signedOut();
      this.#change({ error, loading: false, loadingOlder: false });
    }
  }

  #come(events: Stored[]): void {
    const news = events.filter((stored) => !this.#log.has(stored) && !this.#isPending(stored));
    if (news.length === 0) return;
    if (this.#held) {
      for (const stored of news) {
        const id = stored.event.first ?? stored.event.id;
        this.#pending.set(id, [...(this.#pending.get(id) ?? []), stored]);
      }
      this.#pendingEvents += news.length;
      if (this.#pendingEvents > PENDING) this.#loseTrack();
    } else {
      this.#incoming.push(...news);
    }
    // Many at once are shown together.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const come = this.#incoming;
      this.#incoming = [];
      if (come.length > 0) this.#log.newer(come);
      this.#show();
    }, PACE);
  }

  #isPending(stored: Stored): boolean {
    const id = stored.event.first ?? stored.event.id;
    const has = (list: readonly Stored[] | undefined) =>
      list?.some((one) => one.event.id === stored.event.id) ?? false;
    return has(this.#pending.get(id)) || has(this.#incoming);
  }

  /** More has happened than could be kept up with. */
  #loseTrack(): void {
    this.#pending.clear();
    this.#pendingEvents = 0;
    if (this.#held) this.#change({ stale: true, pending: 0 });
    else this.reload();
  }

  #forget(): void {
    this.#log.clear();
    this.#pending.clear();
    this.#pendingEvents = 0;
    this.#incoming = [];
    this.#cursor = null;
    this.#emptyPages = 0;
  }

  #show(): void {
    const complete = this.#snapshot.complete && this.#log.cursorOfCut === null;
    this.#change({
      rows: [...this.#log.rows],
      pending: this.#pending.size,
      full: this.#log.isFull,
      complete,
    });
  }

  #change(part: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...part };
    for (const listener of this.#listeners) listener();
  }
}
