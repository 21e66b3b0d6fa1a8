/** The end of a list that is read on: how much is shown, and a button for more. */
import { Button, Group, Text } from '@mantine/core';
import { useRef } from 'react';

export function ReadOn({
  said,
  more,
  busy,
  read,
  verb = 'Show more',
}: {
  /** How many are shown, in words. */
  said: string;
  more: boolean;
  busy: boolean;
  /** Reads on; true when there is still more. */
  read: () => Promise<boolean>;
  verb?: string;
}) {
  const told = useRef<HTMLParagraphElement>(null);
  return (
    <Group justify="space-between" gap="sm">
      <Text size="sm" c="dimmed" role="status" ref={told} tabIndex={-1} style={{ outline: 'none' }}>
        {said}
      </Text>
      {more && (
        <Button
          variant="default"
          loading={busy}
          onClick={async () => {
            // The button goes with the last page: the focus stays here.
            if (!(await read())) told.current?.focus();
          }}
        >
          {verb}
        </Button>
      )}
    </Group>
  );
}
