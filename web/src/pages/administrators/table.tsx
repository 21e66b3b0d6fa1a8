import { Badge, Button, Group, Paper, Table, Text, VisuallyHidden } from '@mantine/core';
import { TextLink } from '@/components/links';
import { RoleBadge } from '@/components/role';
import css from '@/components/stacked.module.css';
import { Time } from '@/components/time';
import type { Administrator } from './queries';
import { type Standing, standingOf } from './words';

const STANDING: Record<Standing, { colour: string; word: string }> = {
  active: { colour: 'green', word: 'active' },
  invited: { colour: 'blue', word: 'invited' },
  late: { colour: 'orange', word: 'invitation ran out' },
};

export function PeopleTable({
  people,
  caller,
  now,
  remove,
  renew,
}: {
  people: readonly Administrator[];
  caller: string;
  now: number;
  remove: (one: Administrator) => void;
  renew: (one: Administrator) => void;
}) {
  return (
    <Paper withBorder radius="md">
      <Table className={css.table} verticalSpacing="sm" aria-label="Administrators">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Role</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Second factor</Table.Th>
            <Table.Th>Invited</Table.Th>
            <Table.Th>
              <VisuallyHidden>What can be done</VisuallyHidden>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {people.map((one) => {
            const standing = standingOf(one, now);
            const { colour, word } = STANDING[standing];
            return (
              <Table.Tr key={one.name}>
                <Table.Td data-label="Name">
                  <Group gap={6}>
                    <Text size="sm" fw={600} className="wrap">
                      {one.name}
                    </Text>
                    {caller === `admin ${one.name}` && (
                      <Badge variant="outline" color="gray" tt="none">
                        you
                      </Badge>
                    )}
                  </Group>
                </Table.Td>
                <Table.Td data-label="Role">
                  <div>
                    <RoleBadge role={one.role} />
                  </div>
                </Table.Td>
                <Table.Td data-label="State">
                  <div>
                    <Badge variant="light" color={colour} tt="none">
                      {word}
                    </Badge>
                    {one.invited_until_ms != null && (
                      <Text size="xs" c="dimmed" component="div">
                        {standing === 'late' ? 'ended ' : 'ends '}
                        <Time ms={one.invited_until_ms} form="relative" />
                      </Text>
                    )}
                  </div>
                </Table.Td>
                <Table.Td data-label="Second factor">
                  {one.integration ? (
                    <Text size="sm" component="div" className="wrap">
                      as at{' '}
                      <TextLink to="/integrations/$id" params={{ id: one.integration }} size="sm">
                        {one.integration}
                      </TextLink>
                    </Text>
                  ) : (
                    <Text size="sm">passcodes</Text>
                  )}
                </Table.Td>
                <Table.Td data-label="Invited">
                  <div>
                    <Time ms={one.created_at_ms} />
                    <Text size="xs" c="dimmed" className="wrap">
                      by {one.created_by}
                    </Text>
                  </div>
                </Table.Td>
                <Table.Td className={`${css.actions} ${css.whole}`}>
                  <Group gap={6} justify="flex-end" wrap="nowrap">
                    {!one.active && (
                      <Button
                        variant="default"
                        size="compact-sm"
                        onClick={() => renew(one)}
                        aria-label={`Another link for ${one.name}`}
                      >
                        Another link
                      </Button>
                    )}
                    <Button
                      variant="default"
                      size="compact-sm"
                      onClick={() => remove(one)}
                      aria-label={`Remove ${one.name}`}
                    >
                      Remove
                    </Button>
                  </Group>
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}
