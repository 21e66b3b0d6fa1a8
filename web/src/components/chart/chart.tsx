import { Box, Group, Skeleton, Table, Text } from '@mantine/core';
import { lazy, type ReactNode, Suspense, useCallback, useState } from 'react';
import type { Look } from './style';
import { Swatch } from './swatch';

const Plot = lazy(() => import('./plot'));

export interface PlotProps {
  kind: 'bar' | 'line';
  /** What it shows, in a few words. */
  label: string;
  /** What it tells, in a sentence or two. */
  summary: string;
  height: number;
  series: { label: string; look: Look }[];
  /** Seconds since 1970, then the values of each series. Keep it while nothing changed. */
  data: (number | null)[][];
  /** From when to when, in seconds since 1970. */
  range: [number, number];
  /** A value at the axis. */
  format: (value: number) => string;
  onCursor: (index: number | null) => void;
  onOpen?: ((index: number) => void) | undefined;
}

export interface ChartProps extends Omit<PlotProps, 'onCursor'> {
  /** The legend, where it says more than the names. */
  legend?: ReactNode;
  /** What is under the cursor, in words. */
  read: (index: number) => string;
  /** The same as a table: its heads, and its rows. */
  table: { caption: string; heads: string[]; rows: string[][] };
}

/** A chart with its legend, what is under the cursor in words, and the same as a table. */
export function Chart({ legend, read, table, ...plot }: ChartProps) {
  const [index, setIndex] = useState<number | null>(null);
  const onCursor = useCallback((next: number | null) => setIndex(next), []);
  return (
    <Box component="figure" m={0}>
      <Group gap="md" mb={4} component="div">
        {legend ??
          plot.series.map(({ label, look }) => (
            <Group key={label} gap={6} wrap="nowrap">
              <Swatch look={look} />
              <Text size="sm">{label}</Text>
            </Group>
          ))}
      </Group>
      <Suspense fallback={<Skeleton h={plot.height} aria-label="The chart is loading" role="status" />}>
        <Plot {...plot} onCursor={onCursor} />
      </Suspense>
      <Text size="sm" mih={22} aria-live="polite" className="wrap">
        {index === null ? '' : read(index)}
      </Text>
      <Text component="figcaption" size="sm" c="dimmed">
        {plot.summary}
      </Text>
      <Box component="details" mt={4}>
        <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
          As a table
        </Text>
        <Box mah={280} style={{ overflow: 'auto' }} tabIndex={0} role="region" aria-label={table.caption}>
          <Table withRowBorders stickyHeader>
            <Table.Caption>{table.caption}</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                {table.heads.map((head) => (
                  <Table.Th key={head}>{head}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {table.rows.map((row) => (
                <Table.Tr key={row[0]}>
                  {row.map((cell, place) => (
                    <Table.Td key={table.heads[place]} className="nowrap">
                      {cell}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Box>
      </Box>
    </Box>
  );
}
