import { Box, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { ShieldCheck } from 'lucide-react';
import { type ReactNode, useEffect } from 'react';

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
  useEffect(() => {
    document.title = `${title} · Countersign`;
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
              <Title order={1}>{title}</Title>
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
