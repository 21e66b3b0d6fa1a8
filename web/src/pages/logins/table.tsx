import { Loader, Text } from '@mantine/core';
import { useMergedRef, useResizeObserver } from '@mantine/hooks';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import {
  type FocusEvent,
  type KeyboardEvent,
  type MouseEvent,
  memo,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { OutcomeBadge, WeakMark } from '@/components/login/outcome';
import { reasonOf, shownClient } from '@/components/login/words';
import { useNow } from '@/components/time';
import { utcTime } from '@/lib/format';
import type { Row } from './log';
import { factorOf, finalOf, lasted, rowTime, shortly, stepsOf } from './row';
import styles from './table.module.css';

/** Below this width of the list each login is a card of two lines, in CSS pixels. */
const CARDS = 720;
/** Below this one there is no place for factor and node. */
const FEWER = 980;
const ROW = 42;
const CARD = 66;
/** Of the shell: what stands above the list however far it is scrolled. */
const HEADER = 52;

interface Props {
  rows: readonly Row[];
  /** Nothing older is to come. */
  complete: boolean;
  open: string | undefined;
  onOpen: (id: string) => void;
  /** Whether something is read that must not move. */
  onReading: (reading: boolean) => void;
  /** The end is near. */
  onEnd: () => void;
  loadingOlder: boolean;
  end: ReactNode;
}

/** The list: only what is seen is in the page, however long it is. */
export function LoginTable({ rows, complete, open, onOpen, onReading, onEnd, loadingOlder, end }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const [measured, box] = useResizeObserver<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const width = box.width || window.innerWidth;
  const cards = width < CARDS;
  const size = cards ? CARD : ROW;
  // Whatever is above it may have grown.
  useLayoutEffect(() => {
    const now = (list.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
    setTop((before) => (Math.abs(before - now) < 1 ? before : now));
  });
  // The same one for the same rows: with another, the places of all of them are worked out anew.
  const keyOf = useCallback((index: number) => rows[index]?.id ?? index, [rows]);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => size,
    overscan: 10,
    scrollMargin: top,
    scrollPaddingStart: HEADER + ROW,
    scrollPaddingEnd: 12,
    getItemKey: keyOf,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured anew when all rows change their height
  useEffect(() => virtual.measure(), [size]);

  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (lastShown >= rows.length - 60) onEnd();
  }, [lastShown, rows.length, onEnd]);

  // The row that Tab comes to, by its login: what is inserted above does not move it.
  const [active, setActive] = useState<string | null>(null);
  const wanted = useRef<string | null>(null);
  const activeIndex = useMemo(() => rows.findIndex((row) => row.id === active), [rows, active]);
  const tabIndexAt = items.some((item) => item.index === activeIndex) ? activeIndex : (items[0]?.index ?? 0);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const row = list.current?.querySelector<HTMLElement>(`[data-id="${wanted.current}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  });

  const [focused, setFocused] = useState(false);
  const [away, setAway] = useState(false);
  useEffect(() => {
    const look = () => setAway(window.scrollY + HEADER + ROW > top + size);
    look();
    window.addEventListener('scroll', look, { passive: true });
    return () => window.removeEventListener('scroll', look);
  }, [top, size]);
  useEffect(() => onReading(away || focused || open !== undefined), [away, focused, open, onReading]);

  const go = (index: number) => {
    const at = Math.max(0, Math.min(rows.length - 1, index));
    const row = rows[at];
    if (!row) return;
    setActive(row.id);
    wanted.current = row.id;
    virtual.scrollToIndex(at, { align: 'auto' });
  };
  const keys = (event: KeyboardEvent) => {
    const at = rows.findIndex((row) => row.id === idAt(event.target));
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((window.innerHeight - HEADER - ROW) / size) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      go(to);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      onOpen(idAt(event.target) ?? '');
    }
  };
  const click = (event: MouseEvent) => {
    const id = idAt(event.target);
    // Who opens a link in a new tab means that, and who marks text means to copy it.
    if (id === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (window.getSelection()?.toString()) return;
    event.preventDefault();
    setActive(id);
    onOpen(id);
  };
  const focus = (event: FocusEvent) => {
    const id = idAt(event.target);
    if (id === null) return;
    setActive(id);
    setFocused(event.target.matches(':focus-visible'));
  };

  const now = useNow(60_000);
  const columns = width < FEWER ? 'fewer' : 'all';
  return (
    <div ref={useMergedRef(measured)} className={styles.frame}>
      {/* Of a table only the rows that are seen are there. */}
      <div
        role="grid"
        aria-label="Logins"
        aria-rowcount={complete ? rows.length + 1 : -1}
        aria-readonly
        className={styles.grid}
        data-layout={cards ? 'cards' : columns}
        onKeyDown={keys}
        onClick={click}
        onFocus={focus}
        onBlur={() => setFocused(false)}
      >
        {/* biome-ignore lint/a11y/useFocusableInteractive: the rows below are what one moves to */}
        <div role="row" aria-rowindex={1} className={`${styles.row} ${styles.head}`}>
          {COLUMNS.map(({ name, className }) => (
            // biome-ignore lint/a11y/useFocusableInteractive: as above
            <span key={name} role="columnheader" className={className}>
              {name}
            </span>
          ))}
        </div>
        <div
          ref={list}
          role="rowgroup"
          className={styles.body}
          style={{ blockSize: virtual.getTotalSize() }}
          data-testid="rows"
        >
          {items.map((item) => {
            const row = rows[item.index];
            return (
              row && (
                <LoginRow
                  key={item.key}
                  row={row}
                  index={item.index}
                  offset={item.start - top}
                  size={size}
                  now={now}
                  current={row.id === open}
                  tabIndex={item.index === tabIndexAt ? 0 : -1}
                />
              )
            );
          })}
        </div>
      </div>
      <div className={styles.end}>
        {loadingOlder ? <Loader size="sm" aria-label="Older logins are loaded" role="status" /> : end}
      </div>
    </div>
  );
}

function idAt(target: EventTarget): string | null {
  return (target as Element).closest<HTMLElement>('[data-id]')?.dataset.id ?? null;
}

const COLUMNS = [
  { name: 'Time', className: styles.time },
  { name: 'Outcome', className: styles.outcome },
  { name: 'User', className: styles.user },
  { name: 'Integration', className: styles.integration },
  { name: 'Why', className: styles.reason },
  { name: 'Factor', className: styles.factor },
  { name: 'Client', className: styles.client },
  { name: 'Node', className: styles.node },
  { name: 'Took', className: styles.took },
];

const LoginRow = memo(function LoginRow({
  row,
  index,
  offset,
  size,
  now,
  current,
  tabIndex,
}: {
  row: Row;
  index: number;
  offset: number;
  size: number;
  now: number;
  current: boolean;
  tabIndex: number;
}) {
  const event = finalOf(row);
  const factor = factorOf(row);
  return (
    // Of a table only the rows that are seen are there.
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={current}
      data-id={row.id}
      tabIndex={tabIndex}
      className={styles.row}
      style={{ transform: `translateY(${offset}px)`, blockSize: size }}
    >
      <Cell className={styles.time}>
        <a href={`/logins/${row.id}`} tabIndex={-1}>
          <time dateTime={utcTime(row.last.event.at_ms)} title={utcTime(row.last.event.at_ms)}>
            {rowTime(row.last.event.at_ms, now)}
          </time>
        </a>
      </Cell>
      <Cell className={styles.outcome}>
        <OutcomeBadge outcome={event.outcome} size="sm" />
      </Cell>
      <Cell className={styles.user} title={event.user ?? undefined}>
        {event.user ?? <span className={styles.none}>no name</span>}
      </Cell>
      <Cell className={styles.integration} title={event.integration}>
        {event.integration}
      </Cell>
      <Cell className={styles.reason} title={`${reasonOf(event)} (${stepsOf(row)})`}>
        <WeakMark event={event} size="sm" />{' '}
        {event.test && <span className={`${styles.chip} ${styles.test}`}>test</span>}{' '}
        {row.events.length > 1 && <span className={styles.chip}>{row.events.length} requests</span>}{' '}
        {reasonOf(event)}
      </Cell>
      <Cell className={styles.factor} title={factor}>
        {factor}
      </Cell>
      <Cell className={styles.client}>{shownClient(event)}</Cell>
      <Cell className={styles.node} title={event.node}>
        {event.node}
      </Cell>
      <Cell className={styles.took}>{shortly(lasted(row))}</Cell>
    </div>
  );
});

function Cell({
  className,
  title,
  children,
}: {
  className: string | undefined;
  title?: string;
  children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the row is what one moves to
    <span role="gridcell" className={className} title={title}>
      {children}
    </span>
  );
}

export function EndNote({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed" ta="center" component="div">
      {children}
    </Text>
  );
}
