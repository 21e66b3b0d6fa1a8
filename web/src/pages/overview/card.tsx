import { Group, Paper, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useId } from 'react';
import classes from './overview.module.css';

/** A part of the overview under its heading. */
export function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <Paper component="section" withBorder p="md" aria-labelledby={id}>
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Title order={2} id={id}>
            {title}
          </Title>
          {aside}
        </Group>
        {children}
      </Stack>
    </Paper>
  );
}

/** One number, what it counts, and what stands behind it. */
export function Tile({ title, value, children }: { title: string; value: ReactNode; children?: ReactNode }) {
  const id = useId();
  return (
    <Paper component="section" withBorder p="md" aria-labelledby={id}>
      <Title order={2} id={id} size="sm" fw={600} c="dimmed">
        {title}
      </Title>
      <div className={classes.value}>{value}</div>
      <Text size="sm" component="div" className="wrap">
        {children}
      </Text>
    </Paper>
  );
}
