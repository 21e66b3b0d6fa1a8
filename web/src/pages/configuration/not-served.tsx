import { Alert, List, Text } from '@mantine/core';
import type { Schemas } from '@/api/client';
import { isRefused } from './source';

/** Why a file that was written is not served, where it is not. */
export function NotServed({ reload }: { reload: Schemas['Reload'] | null | undefined }) {
  if (!reload || !isRefused(reload)) return null;
  return (
    <Alert color="red" title="It is written, and not served" role="alert">
      <Text size="sm">
        {reload.result === 'refused'
          ? 'The gateway could not take it: what was served before is still served.'
          : 'Something that it needs cannot be reached now, so what was served before is still served. The gateway tries it again by itself.'}
      </Text>
      <List size="sm">
        {reload.diagnostics.map((one) => (
          <List.Item key={`${one.line} ${one.message}`} className="wrap">
            {one.line ? `Line ${one.line}: ` : ''}
            {one.message}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
