import { describe, expect, it } from 'vitest';
import { idOf, newestFirst, stored } from '@/test/events';
import { KEPT_EVENTS, LoginLog } from './log';

const seqs = (log: LoginLog) => log.rows.map((row) => row.last.seq);

describe('the rows', () => {
  it('are newest first, whichever way they come', () => {
    const log = new LoginLog();
    log.older(newestFirst(5, 8));
    log.newer([stored(9), stored(11), stored(10)]);
    log.older(newestFirst(1, 4));
    expect(seqs(log)).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it('have each event once', () => {
    const log = new LoginLog();
    log.older(newestFirst(1, 3));
    log.newer([stored(3), stored(2), stored(4)]);
    log.older([stored(1)]);
    expect(seqs(log)).toEqual([4, 3, 2, 1]);
    expect(log.size).toBe(4);
    expect(log.has(stored(4))).toBe(true);
    expect(log.has(stored(5))).toBe(false);
  });

  it('hold all requests of one login, whichever comes first', () => {
    for (const way of ['newer', 'older'] as const) {
      const log = new LoginLog();
      const asked = stored(1, { outcome: 'challenge', reason: 'prompted' });
      const other = stored(2);
      const answer = stored(3, { first: idOf(1) });
      log[way](way === 'newer' ? [asked, other, answer] : [answer, other, asked]);
      expect(log.rows).toHaveLength(2);
      expect(log.rows[0]?.id).toBe(idOf(1));
      expect(log.rows[0]?.events.map((one) => one.seq)).toEqual([1, 3]);
      expect(seqs(log)).toEqual([3, 2]);
    }
  });

  it('that change are other objects, and the others stay', () => {
    const log = new LoginLog();
    log.newer([stored(1, { outcome: 'challenge' }), stored(2)]);
    const [second, first] = log.rows;
    log.newer([stored(3, { first: idOf(1) })]);
    expect(log.rows[0]).not.toBe(first);
    expect(log.rows[1]).toBe(second);
    expect(log.find(idOf(1))).toBe(0);
    expect(log.find(idOf(9))).toBe(-1);
  });
});

describe('the bound', () => {
  it('lets the oldest go, and says where they begin', () => {
    const log = new LoginLog(5);
    log.older(newestFirst(1, 4));
    expect(log.cursorOfCut).toBeNull();
    log.newer([stored(5), stored(6), stored(7)]);
    expect(seqs(log)).toEqual([7, 6, 5, 4, 3]);
    expect(log.isFull).toBe(true);
    expect(log.cursorOfCut).toBe(`${stored(3).event.at_ms}-3`);
    expect(log.has(stored(2))).toBe(false);
  });

  it('counts every request of a login that goes', () => {
    const log = new LoginLog(3);
    log.newer([stored(1), stored(2, { first: idOf(1) }), stored(3), stored(4)]);
    expect(seqs(log)).toEqual([4, 3]);
    expect(log.size).toBe(2);
    expect(log.isFull).toBe(false);
    // What went is asked for again, and is whole then.
    log.older([stored(2, { first: idOf(1) }), stored(1)]);
    expect(log.rows.at(-1)?.events).toHaveLength(2);
    expect(log.cursorOfCut).toBeNull();
  });

  it('is reached fast enough: a hundred thousand rows, and a thousand more', () => {
    const log = new LoginLog();
    const began = performance.now();
    for (let page = 100; page > 0; page -= 1) log.older(newestFirst((page - 1) * 1_000 + 1, page * 1_000));
    for (let more = 1; more <= 1_000; more += 1) log.newer([stored(KEPT_EVENTS + more)]);
    expect(log.rows).toHaveLength(KEPT_EVENTS);
    // A machine that is ten times slower than a small one is still fast enough.
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});
