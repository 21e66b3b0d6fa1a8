/** What becomes of many users, as a table. */
import { Badge, ScrollArea, Stack, Table, Text } from '@mantine/core';
import { Cell, StackedTable, WholeCell } from '@/components/stacked';
import { plural } from '@/lib/format';
import { changeLines, changesSaid, type Line, type Taken, type UserChanges } from './changes-words';

/** How many lines are shown. */
const LINES = 200;
const COLOURS: Record<Line['what'], string> = {
  refused: 'red',
  missing: 'orange',
  changed: 'blue',
  new: 'green',
};

export function Changes({ changes, taken }: { changes: UserChanges; taken: Taken }) {
  const lines = changeLines(changes, taken);
  return (
    <Stack gap="xs">
      <Text size="sm" fw={600} role="status">
        {changesSaid(changes, taken)}
      </Text>
      {lines.length > 0 && (
        <ScrollArea.Autosize mah={320} viewportProps={{ tabIndex: 0, 'aria-label': 'What would change' }}>
          <StackedTable label="What would change" columns={['User', 'What', 'More']} dense>
            {lines.slice(0, LINES).map((line) => (
              <Table.Tr key={line.key}>
                <WholeCell>
                  <Text size="sm" fw={600} className="wrap">
                    {line.name}
                  </Text>
                </WholeCell>
                <Cell of="What">
                  <Badge variant="light" color={COLOURS[line.what]} tt="none">
                    {line.what}
                  </Badge>
                </Cell>
                <Cell of="More">{line.more}</Cell>
              </Table.Tr>
            ))}
          </StackedTable>
        </ScrollArea.Autosize>
      )}
      {lines.length > LINES && (
        <Text size="sm" c="dimmed">
          And {plural(lines.length - LINES, 'more', 'more')}.
        </Text>
      )}
    </Stack>
  );
}
