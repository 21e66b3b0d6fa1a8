import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { KeyRound } from 'lucide-react';
import { type ReactNode, useEffect, useRef } from 'react';
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
  // The form before it had the focus, and is gone. Not the button: a key held too long would press it.
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <Stack gap="sm" ref={place} tabIndex={-1} data-autofocus style={{ outline: 'none' }}>
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
        <Button onClick={done}>I have it</Button>
      </Group>
    </Stack>
  );
}
