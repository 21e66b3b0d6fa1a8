// @vitest-environment jsdom
import { act, screen } from '@testing-library/react';
import { useState } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { show } from '@/test/render';
import { useNow } from './time';

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => vi.useRealTimers());

/** Counts down to `until` once there is one. */
function Wait() {
  const [until, setUntil] = useState(0);
  const left = until - useNow(until > 0 ? 500 : null);
  return (
    <button type="button" onClick={() => setUntil(Date.now() + 30_000)}>
      {until > 0 && left}
    </button>
  );
}

test('a clock that stood still is right as soon as it goes', () => {
  show(<Wait />);
  const button = screen.getByRole('button');
  act(() => vi.advanceTimersByTime(600_000));
  act(() => button.click());
  expect(button.textContent).toBe('30000');
  act(() => vi.advanceTimersByTime(1_000));
  expect(button.textContent).toBe('29000');
});
