// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stored } from '@/test/events';
import { backOff, type Connection, HIDDEN_MS, type Listener, SILENCE_MS, Stream } from './stream';

/** A gateway whose streams a test writes. */
class Gateway {
  readonly asked: { url: string; headers: Record<string, string>; signal: AbortSignal }[] = [];
  #streams: ReadableStreamDefaultController<Uint8Array>[] = [];
  /** What it says next; `null` is a stream. */
  refusals: (Response | null)[] = [];

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    this.asked.push({
      url,
      headers: init.headers as Record<string, string>,
      signal: init.signal as AbortSignal,
    });
    const refusal = this.refusals.shift();
    if (refusal) return Promise.resolve(refusal);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#streams.push(controller);
        init.signal?.addEventListener('abort', () =>
          controller.error(new DOMException('gone', 'AbortError')),
        );
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };

  write(text: string): void {
    this.#streams.at(-1)?.enqueue(new TextEncoder().encode(text));
  }

  breakOff(): void {
    this.#streams.at(-1)?.error(new TypeError('network error'));
  }
}

class Seen implements Listener {
  states: Connection[] = [];
  openings: boolean[] = [];
  seqs: number[] = [];
  lost = 0;
  out = 0;
  connection(state: Connection) {
    if (this.states.at(-1) !== state) this.states.push(state);
  }
  opened(resumed: boolean) {
    this.openings.push(resumed);
  }
  logins(events: { seq: number }[]) {
    this.seqs.push(...events.map((one) => one.seq));
  }
  missed() {
    this.lost += 1;
  }
  signedOut() {
    this.out += 1;
  }
}

const frame = (seq: number) => `id: ${seq}\nevent: login\ndata: ${JSON.stringify(stored(seq))}\n\n`;

let gateway: Gateway;
let seen: Seen;
let stream: Stream;

beforeEach(() => {
  vi.useFakeTimers();
  gateway = new Gateway();
  vi.stubGlobal('fetch', gateway.fetch);
  seen = new Seen();
  stream = new Stream('user=alice', seen);
});

afterEach(() => {
  stream.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  Object.defineProperty(document, 'hidden', { configurable: true, value: false });
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const hide = (hidden: boolean) => {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
  document.dispatchEvent(new Event('visibilitychange'));
};

describe('the live stream', () => {
  it('is asked for with the filter, and gives what comes', async () => {
    stream.start();
    await settle();
    gateway.write(': heartbeat\n\n');
    await settle();
    gateway.write(frame(5) + frame(6));
    await settle();
    expect(gateway.asked[0]).toMatchObject({
      url: '/api/v1/events?user=alice',
      headers: { accept: 'text/event-stream' },
    });
    expect(seen).toMatchObject({ states: ['connecting', 'live'], openings: [false], seqs: [5, 6] });
  });

  it('goes on where it was when it breaks off', async () => {
    stream.start();
    await settle();
    gateway.write(frame(5));
    await settle();
    gateway.breakOff();
    await settle();
    expect(seen.states.at(-1)).toBe('reconnecting');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(gateway.asked[1]?.headers['last-event-id']).toBe('5');
    gateway.write(frame(6));
    await settle();
    expect(seen).toMatchObject({ openings: [false, true], seqs: [5, 6] });
    expect(seen.states.at(-1)).toBe('live');
  });

  it('waits longer each time, and as long as it is told', async () => {
    const busy = new Response('{"detail":"too many","status":429,"type":"x","title":"x"}', {
      status: 429,
      headers: { 'retry-after': '30' },
    });
    gateway.refusals = [busy];
    stream.start();
    await settle();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(gateway.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(gateway.asked).toHaveLength(2);
    expect(backOff(0, 0)).toBe(250);
    expect(backOff(3, 1)).toBe(4_000);
    expect(backOff(50, 1)).toBe(15_000);
  });

  it('tries again at once when the machine is connected again', async () => {
    gateway.refusals = [new Response('', { status: 503 })];
    stream.start();
    await settle();
    window.dispatchEvent(new Event('online'));
    await settle();
    expect(gateway.asked).toHaveLength(2);
  });

  it('ends where nobody is signed in any more, and where it was asked wrongly', async () => {
    gateway.refusals = [new Response('{}', { status: 401 })];
    stream.start();
    await settle();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toMatchObject({ out: 1, states: ['connecting', 'ended'] });
    expect(gateway.asked).toHaveLength(1);

    const other = new Seen();
    gateway.refusals = [new Response('{}', { status: 400 })];
    const wrong = new Stream('', other);
    wrong.start();
    await settle();
    expect(other).toMatchObject({ out: 0, states: ['connecting', 'ended'] });
    wrong.stop();
  });

  it('that is silent is dead', async () => {
    stream.start();
    await settle();
    gateway.write(': heartbeat\n\n');
    await settle();
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    expect(gateway.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(gateway.asked).toHaveLength(2);
  });

  it('gives its connection back while nobody looks', async () => {
    stream.start();
    await settle();
    gateway.write(frame(5));
    await settle();
    hide(true);
    await vi.advanceTimersByTimeAsync(HIDDEN_MS + 10);
    expect(gateway.asked[0]?.signal.aborted).toBe(true);
    expect(seen.states.at(-1)).toBe('asleep');
    await vi.advanceTimersByTimeAsync(600_000);
    expect(gateway.asked).toHaveLength(1);
    hide(false);
    await settle();
    expect(gateway.asked[1]?.headers['last-event-id']).toBe('5');
  });

  it('says when something was missed', async () => {
    stream.start();
    await settle();
    gateway.write('event: lagged\ndata: {"missed":7}\n\n');
    await settle();
    expect(seen.lost).toBe(1);
  });

  it('that is stopped asks nobody any more', async () => {
    stream.start();
    await settle();
    stream.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(gateway.asked).toHaveLength(1);
    expect(gateway.asked[0]?.signal.aborted).toBe(true);
  });
});
