import { Button, Group, Modal, Text } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';
import { useEffect } from 'react';
import { holdUnsaved } from '@/lib/unsaved';

/** Asks before a page with unsaved changes is left, by a link, the back button or a closed tab. */
export function UnsavedGuard({ dirty, what }: { dirty: boolean; what: string }) {
  useEffect(() => (dirty ? holdUnsaved() : undefined), [dirty]);
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  return (
    <Modal
      opened={blocker.status === 'blocked'}
      onClose={() => blocker.reset?.()}
      title={`Leave ${what} without saving?`}
      closeButtonProps={{ 'aria-label': 'Stay' }}
    >
      <Text size="sm">Your changes here will be lost.</Text>
      <Group justify="flex-end" mt="md" gap="xs">
        <Button variant="default" onClick={() => blocker.proceed?.()}>
          Leave
        </Button>
        <Button onClick={() => blocker.reset?.()} data-autofocus>
          Stay
        </Button>
      </Group>
    </Modal>
  );
}
