import { Badge, Button, Group, Table, Text } from '@mantine/core';
import { RoleBadge } from '@/components/role';
import { Actions, Cell, StackedTable } from '@/components/stacked';
import { Time } from '@/components/time';
import type { Token } from './queries';

export function TokenTable({ tokens, revoke }: { tokens: readonly Token[]; revoke: (token: Token) => void }) {
  return (
    <StackedTable label="Tokens" columns={['Name', 'Role', 'Created', 'Last used', 'Expires']} actions>
      {tokens.map((token) => (
        <Table.Tr key={token.id}>
          <Cell of="Name">
            <Text size="sm" fw={600} className="wrap">
              {token.name}
            </Text>
            <Text size="xs" c="dimmed" className="mono wrap">
              {token.id}
            </Text>
          </Cell>
          <Cell of="Role">
            <RoleBadge role={token.role} />
          </Cell>
          <Cell of="Created">
            <Time ms={token.created_at_ms} />
            <Text size="xs" c="dimmed" className="wrap">
              by {token.created_by}
            </Text>
          </Cell>
          <Cell of="Last used">
            {token.last_used_at_ms == null ? (
              <Text size="sm" c="dimmed">
                never
              </Text>
            ) : (
              <Time ms={token.last_used_at_ms} form="relative" />
            )}
          </Cell>
          <Cell of="Expires">
            <Group gap={6}>
              {token.expired && (
                <Badge color="red" variant="light" tt="none">
                  expired
                </Badge>
              )}
              <Time ms={token.expires_at_ms} form="relative" />
            </Group>
          </Cell>
          <Actions>
            <Button
              variant="default"
              size="compact-sm"
              onClick={() => revoke(token)}
              aria-label={`${token.expired ? 'Delete' : 'Revoke'} ${token.name}`}
            >
              {token.expired ? 'Delete' : 'Revoke'}
            </Button>
          </Actions>
        </Table.Tr>
      ))}
    </StackedTable>
  );
}
