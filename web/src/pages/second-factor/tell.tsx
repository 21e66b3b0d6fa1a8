/** What is said in passing: that something failed, or was done and can be undone. */
import { Button, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { ApiError } from '@/api/client';

export function tellFailure(what: string, error: unknown): void {
  const known = error instanceof ApiError ? error : null;
  notifications.show({
    color: 'red',
    title: what,
    autoClose: 15_000,
    message: (
      <>
        <Text size="sm" className="wrap">
          {known ? known.problem.detail : String(error)}
        </Text>
        {known?.requestId && (
          <Text size="xs">
            Request <span className="mono">{known.requestId}</span>
          </Text>
        )}
      </>
    ),
  });
}

/** Says what was done, with a way back. */
export function tellWithUndo(message: string, undo: () => Promise<unknown>): void {
  const id = notifications.show({
    autoClose: 12_000,
    message: (
      <Group justify="space-between" gap="sm" wrap="nowrap">
        <Text size="sm" className="wrap">
          {message}
        </Text>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id);
            undo().catch((error: unknown) => tellFailure('It was not undone', error));
          }}
        >
          Undo
        </Button>
      </Group>
    ),
  });
}
