import { Stack } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';

/**
 * What comes into a dialog after it opened, and has the focus as soon as it is there: else nothing would have
 * it. Not its button: a key held too long would press it.
 */
export function Focused({ children }: { children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <Stack gap="sm" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      {children}
    </Stack>
  );
}
