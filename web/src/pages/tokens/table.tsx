import { Badge, Button, Group, Paper, Table, Text, VisuallyHidden } from '@mantine/core';
import { RoleBadge } from '@/components/role';
import css from '@/components/stacked.module.css';
import { Time } from '@/components/time';
import type { Token } from './queries';

export function TokenTable({ tokens, revoke }: { tokens: readonly Token[]; revoke: (token: Token) => void }) {
  return (
    <Paper withBorder radius="md">
      <Table className={css.table} verticalSpacing="sm" aria-label="Tokens">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Role</Table.Th>
            <Table.Th>Made</Table.Th>
            <Table.Th>Used last</Table.Th>
            <Table.Th>Expires</Table.Th>
            <Table.Th>
              <VisuallyHidden>What can be done</VisuallyHidden>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tokens.map((token) => (
            <Table.Tr key={token.id}>
              <Table.Td data-label="Name" className="wrap">
                <div>
                  <Text size="sm" fw={600} className="wrap">
                    {token.name}
                  </Text>
                  <Text size="xs" c="dimmed" className="mono wrap">
                    {token.id}
                  </Text>
                </div>
              </Table.Td>
              <Table.Td data-label="Role">
                <div>
                  <RoleBadge role={token.role} />
                </div>
              </Table.Td>
              <Table.Td data-label="Made">
                <div>
                  <Time ms={token.created_at_ms} />
                  <Text size="xs" c="dimmed" className="wrap">
                    by {token.created_by}
                  </Text>
                </div>
              </Table.Td>
              <Table.Td data-label="Used last">
                {token.last_used_at_ms == null ? (
                  <Text size="sm" c="dimmed">
                    never
                  </Text>
                ) : (
                  <div>
                    <Time ms={token.last_used_at_ms} form="relative" />
                  </div>
                )}
              </Table.Td>
              <Table.Td data-label="Expires">
                <Group gap={6}>
                  {token.expired && (
                    <Badge color="red" variant="light" tt="none">
                      expired
                    </Badge>
                  )}
                  <Time ms={token.expires_at_ms} form="relative" />
                </Group>
              </Table.Td>
              <Table.Td className={`${css.actions} ${css.whole}`}>
                <Button
                  variant="default"
                  size="compact-sm"
                  onClick={() => revoke(token)}
                  aria-label={`${token.expired ? 'Delete' : 'Revoke'} ${token.name}`}
                >
                  {token.expired ? 'Delete' : 'Revoke'}
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}
