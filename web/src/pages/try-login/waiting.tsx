import { Button, Group, Loader, Paper, Text } from '@mantine/core';
import { useNow } from '@/components/time';
import { seconds } from '@/lib/format';
import { waitingFor } from './request';

/** A person may be asked: what is waited for, since when, and how to stop. */
export function Waiting({ since, onStop }: { since: number; onStop: () => void }) {
  const now = useNow(1_000);
  const passed = Math.max(0, Math.floor((now - since) / 1_000));
  return (
    <Paper withBorder p="md">
      <Group gap="sm" justify="space-between">
        <Group gap="sm" wrap="nowrap">
          <Loader size="sm" aria-hidden />
          <div>
            <Text size="sm" fw={600} role="status">
              {waitingFor(passed)}
            </Text>
            <Text size="sm" c="dimmed">
              for {seconds(passed)}
            </Text>
          </div>
        </Group>
        <Button variant="default" size="compact-sm" onClick={onStop}>
          Stop
        </Button>
      </Group>
    </Paper>
  );
}
