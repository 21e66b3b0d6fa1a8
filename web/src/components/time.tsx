import { Tooltip } from '@mantine/core';
import { useEffect, useState } from 'react';
import { fromNow, localClock, localDay, localTime, utcTime } from '@/lib/format';

/** A moment in the reader's zone; the exact one in UTC on hover and on touch. */
export function Time({ ms, form = 'full' }: { ms: number; form?: 'full' | 'day' | 'clock' | 'relative' }) {
  // Told anew by each drawing: what is shown may be younger than the last tick.
  const now = Math.max(useNow(form === 'relative' ? 10_000 : null), Date.now());
  const text = {
    full: localTime,
    day: localDay,
    clock: localClock,
    relative: (at: number) => fromNow(at, now),
  }[form](ms);
  return (
    <Tooltip label={utcTime(ms)} events={{ hover: true, focus: false, touch: true }}>
      <time dateTime={utcTime(ms)} className="nowrap">
        {text}
      </time>
    </Tooltip>
  );
}

/** The present, again each `every` milliseconds; `null`: once. */
export function useNow(every: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (every === null) return;
    // It may have stood still until now.
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
