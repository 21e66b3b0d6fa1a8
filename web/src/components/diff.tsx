import { Text } from '@mantine/core';
import type { Schemas } from '@/api/client';
import { DiffView } from './diff-view';

export { shown } from './shown';

/** What differs, thing by thing, before and after, in the words of the forms. */
export function Diff({ differences }: { differences: readonly Schemas['Difference'][] }) {
  if (differences.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing changes.
      </Text>
    );
  }
  return <DiffView differences={differences} />;
}
