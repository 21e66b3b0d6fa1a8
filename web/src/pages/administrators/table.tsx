import { Badge, Button, Group, Table, Text } from '@mantine/core';
import { TextLink } from '@/components/links';
import { RoleBadge } from '@/components/role';
import { Actions, Cell, StackedTable } from '@/components/stacked';
import { Time } from '@/components/time';
import type { Administrator } from './queries';
import { type Known, type Standing, standingOf } from './words';

const STANDING: Record<Standing, { colour: string; word: string }> = {
  active: { colour: 'green', word: 'active' },
  locked: { colour: 'red', word: 'cannot sign in' },
  invited: { colour: 'blue', word: 'invited' },
  late: { colour: 'orange', word: 'invitation expired' },
};

export function PeopleTable({
  people,
  caller,
  now,
  known,
  remove,
  renew,
}: {
  people: readonly Administrator[];
  caller: string;
  now: number;
  known: Known;
  remove: (one: Administrator) => void;
  renew: (one: Administrator) => void;
}) {
  return (
    <StackedTable
      label="Administrators"
      columns={['Name', 'Role', 'State', 'Second factor', 'Invited']}
      actions
    >
      {people.map((one) => {
        const standing = standingOf(one, now, known);
        return (
          <Table.Tr key={one.name}>
            <Cell of="Name">
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
            </Cell>
            <Cell of="Role">
              <RoleBadge role={one.role} />
            </Cell>
            <Cell of="State">
              <State one={one} standing={standing} />
            </Cell>
            <Cell of="Second factor">
              <SecondFactor of={one.integration} isGone={standing === 'locked'} />
            </Cell>
            <Cell of="Invited">
              <Time ms={one.created_at_ms} />
              <Text size="xs" c="dimmed" className="wrap">
                by {one.created_by}
              </Text>
            </Cell>
            <Actions>
              <Group gap={6} justify="flex-end" wrap="nowrap">
                {!one.active && standing !== 'locked' && (
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
                  aria-label={one.active ? `Remove ${one.name}` : `Revoke the invitation of ${one.name}`}
                >
                  {one.active ? 'Remove' : 'Revoke'}
                </Button>
              </Group>
            </Actions>
          </Table.Tr>
        );
      })}
    </StackedTable>
  );
}

function State({ one, standing }: { one: Administrator; standing: Standing }) {
  const { colour, word } = STANDING[standing];
  return (
    <>
      <Badge variant="light" color={colour} tt="none">
        {word}
      </Badge>
      {standing === 'locked' ? (
        <Text size="xs" c="dimmed">
          {one.integration} is no longer in the configuration. Invite them again, under the same name.
        </Text>
      ) : (
        one.invited_until_ms != null && (
          <Text size="xs" c="dimmed" component="div">
            {standing === 'late' ? 'ended ' : 'ends '}
            <Time ms={one.invited_until_ms} form="relative" />
          </Text>
        )
      )}
    </>
  );
}

function SecondFactor({ of, isGone }: { of: string | null | undefined; isGone: boolean }) {
  if (!of) return <Text size="sm">passcodes</Text>;
  return (
    <Text size="sm" component="div" className="wrap">
      as at{' '}
      {isGone ? (
        of
      ) : (
        <TextLink to="/integrations/$id" params={{ id: of }} size="sm">
          {of}
        </TextLink>
      )}
    </Text>
  );
}
