import { Box, Center, Group, Loader, Stack, Text, Title } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { ProblemAlert } from './problem';

/** A page: its one heading, what it is for, and what can be done. */
export function Page({
  title,
  lead,
  actions,
  children,
}: {
  title: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Countersign`;
  }, [title]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start" gap="sm">
        <Box maw="72ch">
          <Title order={1}>{title}</Title>
          {lead && (
            <Text c="dimmed" size="sm" component="div">
              {lead}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

/** Waits for a query, shows why it failed, or what it holds. What is there stays while it is asked again. */
export function Loaded<T>({
  query,
  children,
}: {
  query: UseQueryResult<T>;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error && (
          <ProblemAlert
            error={query.error}
            retry={() => query.refetch()}
            title="What is shown may be out of date"
          />
        )}
        {children(query.data)}
      </>
    );
  }
  if (query.error) return <ProblemAlert error={query.error} retry={() => query.refetch()} />;
  return <Loading />;
}

export function Loading() {
  return (
    <Center py="xl">
      <Loader aria-label="Loading" role="status" />
    </Center>
  );
}
