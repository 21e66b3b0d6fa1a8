import { Button } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { count } from '@/lib/format';
import type { Filter } from './filter';
import { allEntries, EXPORTED } from './queries';

/** All entries that match in one file, as the API gives them: one in each line, in JSON. */
export function ExportButton({ filter, failed }: { filter: Filter; failed: (error: unknown) => void }) {
  const take = useMutation({
    mutationFn: () => allEntries(filter),
    onMutate: () => failed(null),
    onError: failed,
    onSuccess: ({ entries, cut }) => {
      const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
      const address = URL.createObjectURL(new Blob(lines, { type: 'application/jsonl' }));
      const link = document.createElement('a');
      link.href = address;
      link.download = `audit-${new Date().toISOString().slice(0, 10)}.jsonl`;
      link.click();
      // Not at once: a browser may begin to read it later.
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
      if (cut) {
        notifications.show({
          color: 'orange',
          message: `The file has the newest ${count(EXPORTED)} entries. For older ones set “Before” to the minute after the last of them.`,
        });
      }
    },
  });
  return (
    <Button
      variant="default"
      leftSection={<Download size={16} aria-hidden />}
      loading={take.isPending}
      onClick={() => take.mutate()}
    >
      Export
    </Button>
  );
}
