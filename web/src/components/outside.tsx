import { Box, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { ShieldCheck } from 'lucide-react';
import { type ReactNode, useEffect, useRef } from 'react';

/** The frame of the pages in front of the sign-in: one card, one heading. */
export function Outside({
  title,
  lead,
  wide = false,
  children,
}: {
  title: string;
  lead?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = useRef(title);
  useEffect(() => {
    document.title = `${title} · Countersign`;
    // The next page in the same frame: keyboard and reader go on at its heading, where no field took the focus.
    if (shown.current !== title && document.activeElement === document.body) heading.current?.focus();
    shown.current = title;
  }, [title]);
  return (
    <Box component="main" px="sm" py={{ base: 'lg', sm: 64 }}>
      <Stack maw={wide ? 560 : 400} mx="auto" gap="md">
        <Group gap="xs" justify="center">
          <ShieldCheck size={26} aria-hidden color="var(--mantine-color-anchor)" />
          <Text fw={700} size="lg">
            Countersign
          </Text>
        </Group>
        <Paper withBorder p={{ base: 'md', sm: 'xl' }} radius="lg" shadow="xs">
          <Stack gap="md">
            <Box>
              <Title order={1} ref={heading} tabIndex={-1} style={{ outline: 'none' }}>
                {title}
              </Title>
              {lead && (
                <Text c="dimmed" size="sm" component="div" mt={4}>
                  {lead}
                </Text>
              )}
            </Box>
            {children}
          </Stack>
        </Paper>
      </Stack>
    </Box>
  );
}
