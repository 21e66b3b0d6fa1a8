import { Group, Radio, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** One of several, each with a sentence. */
export function Choice({
  value,
  title,
  about,
  mark,
}: {
  value: string;
  title: string;
  about?: ReactNode;
  mark?: ReactNode;
}) {
  return (
    // A button has its content in the middle by itself; cards of one row begin at one height.
    <Radio.Card
      value={value}
      p="sm"
      radius="md"
      aria-label={title}
      style={{ display: 'flex', alignItems: 'flex-start' }}
    >
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <Radio.Indicator mt={2} />
        <div>
          <Text fw={600} size="sm" component="span">
            {title}
          </Text>{' '}
          {mark}
          {about && (
            <Text size="sm" c="dimmed" component="div">
              {about}
            </Text>
          )}
        </div>
      </Group>
    </Radio.Card>
  );
}
