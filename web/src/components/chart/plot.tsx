/** uPlot in React, in a chunk of its own: see `chart.tsx`, which loads it. */
import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { localClock } from '@/lib/format';
import type { PlotProps } from './chart';
import { type Look, PATTERN, PATTERNS } from './style';

type Scheme = 'light' | 'dark';
const GROUND: Record<Scheme, { grid: string; text: string }> = {
  light: { grid: '#e3e6ea', text: '#50565e' },
  dark: { grid: '#3a3d42', text: '#b4b8bd' },
};

/** The fill of a bar: solid, or a tint with a pattern. */
function paint(context: CanvasRenderingContext2D, look: Look, scheme: Scheme): string | CanvasPattern {
  const colour = look[scheme];
  if (!look.fill || look.fill === 'solid') return colour;
  const ratio = window.devicePixelRatio || 1;
  const tile = document.createElement('canvas');
  tile.width = tile.height = Math.round(PATTERN * ratio);
  const pen = tile.getContext('2d');
  if (!pen) return colour;
  pen.scale(tile.width / PATTERN, tile.height / PATTERN);
  // The bar of the series behind reaches down to the axis: it must not be seen through this one.
  pen.fillStyle = scheme === 'light' ? '#ffffff' : '#242424';
  pen.fillRect(0, 0, PATTERN, PATTERN);
  pen.fillStyle = colour;
  pen.globalAlpha = 0.25;
  pen.fillRect(0, 0, PATTERN, PATTERN);
  pen.globalAlpha = 1;
  pen.strokeStyle = colour;
  pen.stroke(new Path2D(PATTERNS[look.fill]));
  return context.createPattern(tile, 'repeat') ?? colour;
}

function options(props: PlotProps, scheme: Scheme, width: number, cursor: (index: number | null) => void) {
  const { grid, text } = GROUND[scheme];
  const axis: uPlot.Axis = {
    stroke: text,
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  const bars = uPlot.paths.bars?.({ size: [0.92, 60], align: 1 });
  const made: uPlot.Options = {
    width,
    height: props.height,
    legend: { show: false },
    padding: [10, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: props.kind === 'line' } },
    hooks: { setCursor: [(plot) => cursor(plot.cursor.idx ?? null)] },
    scales: {
      x: { range: () => props.range },
      y: { range: (_plot, _low, high) => [0, (high || 1) * 1.08] },
    },
    axes: [
      {
        ...axis,
        values: (_plot, splits) => splits.map((at) => localClock(at * 1_000).slice(0, 5)),
        space: 64,
        size: 28,
        incrs: [60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600],
      },
      {
        ...axis,
        size: 58,
        space: 36,
        values: (_plot, splits) => splits.map(props.format),
        // Bars count: there is nothing between one and two.
        ...(props.kind === 'bar' && { incrs: WHOLE }),
      },
    ],
    series: [
      {},
      ...props.series.map(({ label, look }): uPlot.Series => {
        const common = { label, width: props.kind === 'line' ? 2 : 1, stroke: look[scheme] };
        return props.kind === 'bar'
          ? {
              ...common,
              fill: (plot: uPlot) => paint(plot.ctx, look, scheme) as string,
              points: { show: false },
              ...(bars && { paths: bars }),
            }
          : {
              ...common,
              spanGaps: true,
              points: { size: 5, fill: look[scheme] },
              ...(look.dash && { dash: look.dash }),
            };
      }),
    ],
  };
  return made;
}

/** Steps of an axis that counts. */
const WHOLE = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** Where a key leads; null: it leads nowhere. */
function moved(key: string, index: number | null, last: number): number | null {
  if (last < 0) return null;
  if (key === 'ArrowLeft') return Math.max(0, (index ?? last + 1) - 1);
  if (key === 'ArrowRight') return Math.min(last, (index ?? -1) + 1);
  if (key === 'Home') return 0;
  return key === 'End' ? last : null;
}

/** A chart that is read by mouse and by arrow keys; what it tells is in `summary` and the table below. */
export default function Plot(props: PlotProps) {
  const scheme = useComputedColorScheme('light');
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  // It is drawn anew for other series, colours or widths; new numbers go into the one that is there.
  const shape = `${scheme} ${props.kind} ${props.height} ${props.series.map(({ label }) => label).join('|')}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` says when
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const live: PlotProps = {
      ...latest.current,
      get range() {
        return latest.current.range;
      },
    };
    const made = new uPlot(
      options(live, scheme, box.clientWidth || 320, (index) => latest.current.onCursor(index)),
      latest.current.data as uPlot.AlignedData,
      box,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (box.clientWidth > 0) made.setSize({ width: box.clientWidth, height: latest.current.height });
    });
    observer.observe(box);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(props.data as uPlot.AlignedData);
  }, [props.data]);

  const go = (index: number) => {
    const at = props.data[0]?.[index];
    if (!plot.current || at == null) return;
    plot.current.setCursor({ left: plot.current.valToPos(at, 'x') + 1, top: 10 });
  };
  const last = (props.data[0]?.length ?? 0) - 1;
  return (
    <div
      ref={place}
      role="group"
      tabIndex={0}
      aria-label={`${props.label}. ${props.summary} Arrow keys read it bit by bit${props.onOpen ? ', Enter opens those logins' : ''}.`}
      onKeyDown={(event) => {
        const index = plot.current?.cursor.idx ?? null;
        const to = moved(event.key, index, last);
        if (to !== null) {
          event.preventDefault();
          go(to);
        } else if (event.key === 'Enter' && index !== null) props.onOpen?.(index);
      }}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      onClick={() => {
        const index = plot.current?.cursor.idx;
        if (index != null) props.onOpen?.(index);
      }}
      style={{ cursor: props.onOpen ? 'pointer' : undefined, minHeight: props.height, overflow: 'hidden' }}
    />
  );
}
