import { Text } from '@mantine/core';
import { lazy, Suspense } from 'react';
import type { Schemas } from '@/api/client';
import { Loading } from './page';

export { shown } from './shown';

// The words of all forms are many, and a review is behind a button.
const View = lazy(() => import('./diff-view'));

/** What differs, thing by thing, before and after, in the words of the forms. */
export function Diff({ differences }: { differences: readonly Schemas['Difference'][] }) {
  if (differences.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing changes.
      </Text>
    );
  }
  return (
    <Suspense fallback={<Loading />}>
      <View differences={differences} />
    </Suspense>
  );
}
