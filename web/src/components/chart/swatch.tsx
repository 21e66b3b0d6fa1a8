import { useComputedColorScheme } from '@mantine/core';
import { useId } from 'react';
import { type Look, PATTERN, PATTERNS } from './style';

/** The sign of a series in a legend: as it is drawn in the chart. */
export function Swatch({ look }: { look: Look }) {
  const colour = look[useComputedColorScheme('light')];
  const id = useId();
  if (look.fill === undefined) {
    return (
      <svg width={22} height={12} aria-hidden>
        <line
          x1={0}
          y1={6}
          x2={22}
          y2={6}
          stroke={colour}
          strokeWidth={2}
          strokeDasharray={look.dash?.join(' ')}
        />
      </svg>
    );
  }
  return (
    <svg width={14} height={14} aria-hidden>
      {look.fill !== 'solid' && (
        <pattern id={id} width={PATTERN} height={PATTERN} patternUnits="userSpaceOnUse">
          <path d={PATTERNS[look.fill]} stroke={colour} fill="none" />
        </pattern>
      )}
      <rect width={14} height={14} rx={3} fill={colour} fillOpacity={look.fill === 'solid' ? 1 : 0.25} />
      {look.fill !== 'solid' && <rect width={14} height={14} rx={3} fill={`url(#${id})`} />}
      <rect x={0.5} y={0.5} width={13} height={13} rx={2.5} fill="none" stroke={colour} />
    </svg>
  );
}
