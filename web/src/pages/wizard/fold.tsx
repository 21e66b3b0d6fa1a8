import { Box, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** What only some want to read: closed, under a line that says what it is. */
export function Fold({ title, open, children }: { title: string; open?: boolean; children: ReactNode }) {
  return (
    <details open={open}>
      <summary style={{ cursor: 'pointer' }}>
        <Text size="sm" component="span" fw={600}>
          {title}
        </Text>
      </summary>
      <Box mt="xs">{children}</Box>
    </details>
  );
}
