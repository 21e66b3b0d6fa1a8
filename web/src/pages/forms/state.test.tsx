// @vitest-environment jsdom
import { act, renderHook } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { type Read, useDocument, useTyped } from './state';

const FIRST: Read = { doc: { port: 1, mode: 'auto' }, tag: '"1"' };
const form = (read: Read) =>
  renderHook(
    ({ read }) =>
      useDocument({ kind: 'integration', read, fresh: false, readOnly: false, tryOut: async () => {} }),
    { initialProps: { read } },
  );

describe('what was applied', () => {
  it('makes place for what is read next', () => {
    const { result, rerender } = form(FIRST);
    act(() => result.current.change('port', 2));
    const { applied } = result.current;
    act(() => applied());
    expect(result.current.dirty).toBe(false);
    rerender({ read: { doc: { port: 2, mode: 'auto' }, tag: '"2"' } });
    expect(result.current.values.port).toBe(2);
  });

  it('takes nothing away that was typed since', () => {
    const { result, rerender } = form(FIRST);
    act(() => result.current.change('port', 2));
    const { applied } = result.current;
    act(() => result.current.change('mode', 'concat'));
    act(() => applied());
    rerender({ read: { doc: { port: 2, mode: 'auto' }, tag: '"2"' } });
    expect(result.current.outdated).toBe(true);
    act(() => result.current.keepMine());
    expect(result.current.values).toEqual({ port: 2, mode: 'concat' });
    expect(result.current.patch).toEqual({ mode: 'concat' });
  });
});

describe('what was typed for another choice', () => {
  it('is there until something else is read, or all is reset', () => {
    const { result, rerender } = form(FIRST);
    const typed = renderHook(({ base }) => useTyped(base), { initialProps: { base: result.current.base } });
    typed.result.current.set('radius', { secret: 'one' });
    act(() => result.current.change('port', 2));
    typed.rerender({ base: result.current.base });
    expect(typed.result.current.get('radius')).toEqual({ secret: 'one' });
    act(() => result.current.reset());
    typed.rerender({ base: result.current.base });
    expect(typed.result.current.size).toBe(0);
    typed.result.current.set('radius', {});
    rerender({ read: { doc: { port: 3 }, tag: '"2"' } });
    typed.rerender({ base: result.current.base });
    expect(typed.result.current.size).toBe(0);
  });
});
