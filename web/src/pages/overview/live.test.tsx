// @vitest-environment jsdom
/** What a screen reader is told of the overview by itself: what happened, and not the time each second. */
import { act, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { show } from '@/test/render';
import { PrimaryOnlyAlarms } from './primary-only';
import { Status } from './status';

const NOW = Date.parse('2026-11-22T15:00:00Z');
beforeEach(() => vi.useFakeTimers({ now: NOW }));
afterEach(() => vi.useRealTimers());

/** What is read out of a place: without what is hidden from ears. */
function heard(place: HTMLElement): string {
  const copy = place.cloneNode(true) as HTMLElement;
  for (const hidden of copy.querySelectorAll('[aria-hidden=true]')) hidden.remove();
  return copy.textContent ?? '';
}

test('an alarm is read out once, though it counts down', () => {
  const grant = {
    integration: 'vpn',
    opens: ['vpn'],
    since_ms: NOW,
    until_ms: NOW + 900_000,
    until: '2026-11-22T15:15:00Z',
    by: 'nora',
    reason: 'service down',
  };
  show(<PrimaryOnlyAlarms grants={[grant]} />);
  const alarm = screen.getByRole('alert');
  expect(alarm.textContent).toContain('15 min from now');
  const before = heard(alarm);
  expect(before).toContain('Granted by nora: service down');
  act(() => vi.advanceTimersByTime(61_000));
  expect(alarm.textContent).toContain('13 min 59 s from now');
  expect(heard(alarm)).toBe(before);
});

test('of the status the headline is read out, and not how long ago each finding was', () => {
  const text = 'Node edge-2 is away: last heard of 12 s ago.';
  show(<Status findings={[{ level: 'warning', key: 'away edge-2', text }]} />);
  expect(screen.getByRole('status').textContent).toBe('1 thing needs a look');
  expect(screen.getByRole('region', { name: 'Status' }).textContent).toContain(text);
});
