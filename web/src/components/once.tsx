import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { KeyRound } from 'lucide-react';
import type { ReactNode } from 'react';
import { CopyBlock } from './copy';

/** A secret in the one moment in which it is shown: to be copied, then gone. */
export function ShownOnce({
  label,
  secret,
  note,
  children,
  done,
}: {
  /** What it is: `Token of backup script`. */
  label: string;
  secret: string;
  /** What happens to it. */
  note: ReactNode;
  children?: ReactNode;
  done: () => void;
}) {
  return (
    <Stack gap="sm">
      <Alert
        color="orange"
        icon={<KeyRound size={18} aria-hidden />}
        title="This is shown once"
        role="status"
      >
        <Text size="sm">{note}</Text>
      </Alert>
      <CopyBlock text={secret} label={label} />
      {children}
      <Group justify="flex-end">
        <Button onClick={done} data-autofocus>
          I have it
        </Button>
      </Group>
    </Stack>
  );
}
