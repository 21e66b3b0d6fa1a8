import { Box, Group, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';

/** The way through: what is done, where one is, what comes. */
export function Way({ steps, at }: { steps: readonly string[]; at: number }) {
  return (
    <Box component="ol" aria-label="Steps" p={0} m={0} display="flex" style={{ gap: 6, listStyle: 'none' }}>
      {steps.map((step, index) => (
        <Box
          component="li"
          key={step}
          flex={1}
          miw={0}
          aria-current={index === at ? 'step' : undefined}
          aria-label={`${step}${index < at ? ', done' : ''}`}
        >
          <Box
            h={4}
            style={{ borderRadius: 2 }}
            bg={
              index <= at
                ? 'var(--mantine-primary-color-filled)'
                : 'light-dark(var(--mantine-color-gray-3), var(--mantine-color-dark-4))'
            }
          />
          <Text
            size="xs"
            mt={4}
            c={index === at ? undefined : 'dimmed'}
            fw={index === at ? 600 : 400}
            visibleFrom="sm"
            truncate
            aria-hidden
          >
            {step}
          </Text>
        </Box>
      ))}
    </Box>
  );
}

/** One step: its heading has the focus when it begins, so that keyboard and reader begin there. */
export function Step({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  return (
    <Box component="section" aria-label={title}>
      <Title order={2} ref={heading} tabIndex={-1} style={{ outline: 'none' }}>
        {title}
      </Title>
      {lead && (
        <Text size="sm" c="dimmed" component="div" maw="72ch">
          {lead}
        </Text>
      )}
      <Box mt="md">{children}</Box>
    </Box>
  );
}

/** The buttons below a step. */
export function Onward({ children }: { children: ReactNode }) {
  return (
    <Group mt="lg" gap="xs">
      {children}
    </Group>
  );
}
