import { Alert, Button, Group, List, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { TriangleAlert, UserPlus, Users } from 'lucide-react';
import { useRef, useState } from 'react';
import { integrationsQuery, sessionQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { Loaded } from '@/components/page';
import { useNow } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { Invite } from './invite';
import { type Administrator, administratorsQuery, removeAdministrator } from './queries';
import { PeopleTable } from './table';
import { isLastAdmin, type Standing, standingOf } from './words';

/** Who signs in here with a password: invited, and removed. */
export function People() {
  const query = useQuery(administratorsQuery);
  const integrations = useQuery(integrationsQuery);
  const client = useQueryClient();
  const confirm = useConfirm();
  const { caller } = useSession();
  const now = useNow(10_000);
  const [inviting, { open, close }] = useDisclosure();
  const [again, setAgain] = useState<Administrator | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const known = integrations.data && new Set(integrations.data.items.map(({ id }) => id));

  const invite = (one: Administrator | null) => {
    setAgain(one);
    open();
  };
  const remove = (one: Administrator, all: readonly Administrator[]) => {
    const own = caller === `admin ${one.name}`;
    const last = isLastAdmin(one, all, known);
    confirm({
      title: one.active ? `Remove the administrator ${one.name}?` : `Revoke the invitation of ${one.name}?`,
      body: (
        <Stack gap="xs">
          <span>
            {one.active
              ? 'All their sessions end at once, and they can no longer sign in. To come back, they must be invited again.'
              : 'Their link stops working.'}
          </span>
          {(own || last) && (
            <Alert color="orange" icon={<TriangleAlert size={18} aria-hidden />} role="note">
              <List size="sm">
                {own && (
                  <List.Item>
                    This is you: you will be signed out, and cannot get back in by yourself.
                  </List.Item>
                )}
                {last && (
                  <List.Item>
                    Nobody else here has the role admin and can sign in. After that, access can only be
                    changed with a token of that role, at the provider, or on the gateway’s machine with{' '}
                    <code>countersign admin invite</code>.
                  </List.Item>
                )}
              </List>
            </Alert>
          )}
        </Stack>
      ),
      confirm: one.active ? `Remove ${one.name}` : 'Revoke the invitation',
      danger: true,
      ...(own ? { typed: one.name } : {}),
      action: async () => {
        await removeAdministrator(one.name, !one.active);
        // Whoever removed themselves is told so by the next answer, and asked to sign in.
        if (own) await client.invalidateQueries({ queryKey: sessionQuery.queryKey });
        await client.invalidateQueries({ queryKey: administratorsQuery.queryKey });
        // The button that was pressed is gone with its row.
        place.current?.focus();
        notifications.show({
          message: one.active ? `${one.name} is removed.` : `The invitation of ${one.name} is revoked.`,
        });
      },
    });
  };

  const button = (
    <Button onClick={() => invite(null)} leftSection={<UserPlus size={16} aria-hidden />}>
      Invite an administrator
    </Button>
  );
  return (
    <div ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      <Invite opened={inviting} again={again} close={close} />
      <Loaded query={query}>
        {({ items }) => {
          if (items.length === 0) {
            return (
              <Empty icon={Users} title="Nobody signs in with a password" action={button}>
                Somebody who is invited opens a link, chooses a password and gets a second factor from the
                beginning.
              </Empty>
            );
          }
          const are = (standing: Standing) =>
            items.filter((one) => standingOf(one, now, known) === standing).length;
          return (
            <Stack gap="sm">
              <Group justify="space-between" gap="sm">
                <Text size="sm" c="dimmed" role="status">
                  {plural(are('active'), 'person', 'people')} can sign in, {are('invited')} invited
                </Text>
                {button}
              </Group>
              <PeopleTable
                people={items}
                caller={caller}
                now={now}
                known={known}
                remove={(one) => remove(one, items)}
                renew={invite}
              />
            </Stack>
          );
        }}
      </Loaded>
    </div>
  );
}
