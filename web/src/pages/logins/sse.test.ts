import { describe, expect, it } from 'vitest';
import { Reader } from './sse';

const STREAM =
  ': heartbeat\n\nid: 18\nevent: login\ndata: {"seq":18}\n\n: heartbeat\nid: 20\n\nevent: lagged\ndata: {"missed":7}\n\n';
const WANT = [
  { event: 'login', data: '{"seq":18}' },
  { event: 'lagged', data: '{"missed":7}' },
];

describe('a stream of events', () => {
  it('is read whole', () => {
    const reader = new Reader();
    expect(reader.read(STREAM)).toEqual(WANT);
    expect(reader.lastId).toBe('20');
  });

  it('is read in any pieces', () => {
    for (let size = 1; size < 12; size += 1) {
      const reader = new Reader();
      const found = [];
      for (let at = 0; at < STREAM.length; at += size)
        found.push(...reader.read(STREAM.slice(at, at + size)));
      expect(found, `pieces of ${size}`).toEqual(WANT);
      expect(reader.lastId).toBe('20');
    }
  });

  it('may have lines as the standard allows them', () => {
    const reader = new Reader();
    expect(reader.read('data:a\r\ndata: b\r\nretry: 5\r\nodd\r\n\r\n')).toEqual([
      { event: 'message', data: 'a\nb' },
    ]);
    expect(reader.read('event: login\n\n')).toEqual([]);
  });
});
