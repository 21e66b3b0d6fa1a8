import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '@/api/client';
import { newestFirst, stored } from '@/test/events';
import { Feed } from './feed';
import { LoginLog, type Stored } from './log';
import type { Listener } from './stream';

interface Page {
  items: Stored[];
  next?: string | null;
}

/** Pages that a test has prepared, in their order, and a stream that it writes. */
function gateway(pages: (Page | Error)[]) {
  const asked: Record<string, string>[] = [];
  const streams: Listener[] = [];
  return {
    asked,
    streams,
    doors: {
      page: (query: Record<string, string>) => {
        asked.push(query);
        const page = pages.shift() ?? { items: [] };
        return page instanceof Error ? Promise.reject(page) : Promise.resolve(page);
      },
      stream: (_query: string, listener: Listener) => ({
        start: () => streams.push(listener),
        stop: () => undefined,
      }),
    },
  };
}

let feed: Feed | undefined;
const made = (pages: (Page | Error)[], log = new LoginLog()) => {
  const { asked, streams, doors } = gateway(pages);
  const out = vi.fn();
  feed = new Feed({ user: 'alice' }, true, out, doors, log);
  feed.start();
  const come = async (...events: Stored[]) => {
    streams.at(-1)?.logins(events);
    await vi.advanceTimersByTimeAsync(200);
  };
  const seqs = () => feed?.snapshot().rows.map((row) => row.last.seq);
  return { feed, asked, streams, come, seqs, out };
};

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  feed?.stop();
  vi.useRealTimers();
});

describe('the list', () => {
  it('is the first page, then what comes', async () => {
    const { asked, come, seqs } = made([{ items: newestFirst(1, 3) }]);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked[0]).toEqual({ user: 'alice', limit: '100' });
    await come(stored(4));
    expect(seqs()).toEqual([4, 3, 2, 1]);
  });

  it('misses nothing between the page and the stream', async () => {
    const { streams, seqs } = made([{ items: newestFirst(1, 2) }, { items: newestFirst(1, 3) }]);
    await vi.advanceTimersByTimeAsync(0);
    streams[0]?.opened(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(seqs()).toEqual([3, 2, 1]);
  });

  it('asks for nothing again when the stream went on where it was', async () => {
    const { streams, asked } = made([{ items: newestFirst(1, 2) }]);
    await vi.advanceTimersByTimeAsync(0);
    streams[0]?.opened(true);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toHaveLength(1);
  });

  it('begins anew when there is a hole', async () => {
    const { streams, seqs } = made([
      { items: newestFirst(1, 2) },
      { items: newestFirst(50, 60), next: '1-50' },
      { items: newestFirst(50, 60), next: '1-50' },
    ]);
    await vi.advanceTimersByTimeAsync(0);
    streams[0]?.opened(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(seqs()?.[0]).toBe(60);
    expect(seqs()).not.toContain(2);
  });

  it('has older ones page by page, each asked for once', async () => {
    const { feed, asked, seqs } = made([
      { items: newestFirst(8, 9), next: 'c8' },
      { items: newestFirst(6, 7), next: 'c6' },
      { items: newestFirst(5, 5) },
    ]);
    await vi.advanceTimersByTimeAsync(0);
    feed.older();
    feed.older();
    await vi.advanceTimersByTimeAsync(0);
    feed.older();
    await vi.advanceTimersByTimeAsync(0);
    feed.older();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked.map((one) => one.cursor)).toEqual([undefined, 'c8', 'c6']);
    expect(seqs()).toEqual([9, 8, 7, 6, 5]);
    expect(feed.snapshot().complete).toBe(true);
  });

  it('asks whether to look further where many pages had no match', async () => {
    const empty = () => ({ items: [], next: 'c' });
    const { feed, asked } = made([{ items: [stored(9)], next: 'c' }, ...Array.from({ length: 20 }, empty)]);
    await vi.advanceTimersByTimeAsync(0);
    for (let tries = 0; tries < 10; tries += 1) {
      feed.older();
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(asked).toHaveLength(6);
    expect(feed.snapshot().tired).toBe(true);
    feed.older(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toHaveLength(7);
  });

  it('stays, and says why, when a page cannot be had', async () => {
    const away = new ApiError(
      503,
      { type: 'urn:countersign:problem:unavailable', title: 'x', status: 503, detail: 'away' },
      null,
    );
    const { feed, seqs } = made([{ items: newestFirst(1, 2), next: 'c' }, away, { items: [] }]);
    await vi.advanceTimersByTimeAsync(0);
    feed.older();
    await vi.advanceTimersByTimeAsync(0);
    expect(feed.snapshot()).toMatchObject({ error: away, loadingOlder: false });
    expect(seqs()).toEqual([2, 1]);
    feed.older(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(feed.snapshot()).toMatchObject({ error: null, complete: true });
  });

  it('leads to the sign-in where nobody is signed in any more', async () => {
    const gone = new ApiError(
      401,
      { type: 'urn:countersign:problem:unavailable', title: 'x', status: 401, detail: 'sign in' },
      null,
    );
    const { out } = made([gone]);
    await vi.advanceTimersByTimeAsync(0);
    expect(out).toHaveBeenCalled();
  });

  it('keeps no more than its bound, and says so', async () => {
    const { feed, come } = made([{ items: newestFirst(1, 4), next: 'c' }], new LoginLog(5));
    await vi.advanceTimersByTimeAsync(0);
    await come(stored(5), stored(6), stored(7));
    expect(feed.snapshot()).toMatchObject({ full: true, complete: false });
    expect(feed.snapshot().rows).toHaveLength(5);
  });
});

describe('while it is held', () => {
  it('what comes is counted by login, and shown when it is let go', async () => {
    const { feed, come, seqs } = made([{ items: newestFirst(1, 2) }]);
    await vi.advanceTimersByTimeAsync(0);
    feed.hold(true);
    await come(stored(3, { outcome: 'challenge' }));
    await come(stored(4, { first: stored(3).event.id }), stored(5));
    await come(stored(5));
    expect(seqs()).toEqual([2, 1]);
    expect(feed.snapshot().pending).toBe(2);
    feed.hold(false);
    expect(seqs()).toEqual([5, 4, 2, 1]);
    expect(feed.snapshot().pending).toBe(0);
  });

  it('more than can be kept is loaded again when it is asked for', async () => {
    const { feed, come, asked, seqs } = made([{ items: newestFirst(1, 2) }, { items: newestFirst(9, 9) }]);
    await vi.advanceTimersByTimeAsync(0);
    feed.hold(true);
    await come(...newestFirst(10, 10_020));
    expect(feed.snapshot()).toMatchObject({ stale: true, pending: 0 });
    expect(seqs()).toEqual([2, 1]);
    feed.release();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toHaveLength(2);
    expect(seqs()).toEqual([9]);
    expect(feed.snapshot().stale).toBe(false);
  });
});
