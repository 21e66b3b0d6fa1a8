import { Alert, Button, Group, List, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { TriangleAlert, UserPlus, Users } from 'lucide-react';
import { useRef, useState } from 'react';
import { sessionQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { Loaded } from '@/components/page';
import { useNow } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { type Invitation, Invite } from './invite';
import { type Administrator, administratorsQuery, invite, removeAdministrator } from './queries';
import { PeopleTable } from './table';
import { isLastAdmin, standingOf } from './words';

/** Who signs in here with a password: invited, and removed. */
export function People() {
  const query = useQuery(administratorsQuery);
  const client = useQueryClient();
  const confirm = useConfirm();
  const { caller } = useSession();
  const now = useNow(10_000);
  const [inviting, { open, close }] = useDisclosure();
  const [made, setMade] = useState<Invitation | null>(null);
  const list = useRef<HTMLDivElement>(null);

  const changed = () => client.invalidateQueries({ queryKey: administratorsQuery.queryKey });
  const remove = (one: Administrator, all: readonly Administrator[]) => {
    const own = caller === `admin ${one.name}`;
    confirm({
      title: one.active
        ? `Remove the administrator ${one.name}?`
        : `Take back the invitation of ${one.name}?`,
      body: (
        <Stack gap="xs">
          <span>
            {one.active
              ? 'All their sessions end at once, and they cannot sign in any more. To come back they are invited again.'
              : 'Their link is good for nothing then.'}
          </span>
          {(own || isLastAdmin(one, all)) && (
            <Alert color="orange" icon={<TriangleAlert size={18} aria-hidden />} role="note">
              <List size="sm">
                {own && (
                  <List.Item>This is you: you are signed out, and cannot come back by yourself.</List.Item>
                )}
                {isLastAdmin(one, all) && (
                  <List.Item>
                    Nobody else here has the role admin and can sign in. Who may do what can then be changed
                    by a token of that role, at the provider, or on the gateway’s machine with{' '}
                    <code>countersign admin invite</code>.
                  </List.Item>
                )}
              </List>
            </Alert>
          )}
        </Stack>
      ),
      confirm: one.active ? `Remove ${one.name}` : `Take back ${one.name}’s`,
      danger: true,
      ...(own ? { typed: one.name } : {}),
      action: async () => {
        await removeAdministrator(one.name, !one.active);
        // Whoever removed themselves is told so by the next answer, and asked to sign in.
        if (own) await client.invalidateQueries({ queryKey: sessionQuery.queryKey });
        await changed();
        // The button that was pressed is gone with its row.
        list.current?.focus();
        notifications.show({ message: `${one.name} is removed.` });
      },
    });
  };
  const renew = (one: Administrator) =>
    confirm({
      title: `Make another link for ${one.name}?`,
      body: 'The link before is good for nothing then. The new one is good for a day.',
      confirm: `Another link for ${one.name}`,
      action: async () => {
        await removeAdministrator(one.name, true);
        try {
          const { name, role, integration } = one;
          setMade(await invite({ name, role, ...(integration ? { integration } : {}) }));
        } finally {
          await changed();
        }
      },
    });

  const button = (
    <Button onClick={open} leftSection={<UserPlus size={16} aria-hidden />}>
      Invite an administrator
    </Button>
  );
  return (
    <>
      <Invite
        opened={inviting}
        made={made}
        setMade={setMade}
        close={() => {
          close();
          setMade(null);
        }}
      />
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty icon={Users} title="Nobody signs in with a password" action={button}>
              Whoever is invited opens a link, chooses a password and has a second factor from the beginning.
            </Empty>
          ) : (
            <Stack gap="sm" ref={list} tabIndex={-1} style={{ outline: 'none' }}>
              <Group justify="space-between" gap="sm">
                <Text size="sm" c="dimmed" role="status">
                  {plural(items.filter(({ active }) => active).length, 'person', 'people')} can sign in,{' '}
                  {items.filter((one) => standingOf(one, now) === 'invited').length} invited
                </Text>
                {button}
              </Group>
              <PeopleTable
                people={items}
                caller={caller}
                now={now}
                remove={(one) => remove(one, items)}
                renew={renew}
              />
            </Stack>
          )
        }
      </Loaded>
    </>
  );
}
