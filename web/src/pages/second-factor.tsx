import { Badge, Button, Tabs } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { UserPlus } from 'lucide-react';
import { Loaded, Page } from '@/components/page';
import { useSession } from '@/session';
import { Approvals } from './second-factor/approvals';
import { CreateUser } from './second-factor/create-user';
import { DevicesTab } from './second-factor/devices-tab';
import { NotUsed } from './second-factor/not-used';
import { approvalsQuery, isNotUsed, usersQuery } from './second-factor/queries';
import { UsersTab } from './second-factor/users-tab';

const TABS = ['users', 'devices', 'approvals'] as const;

export function SecondFactorPage() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const tab = TABS.find((one) => one === search.tab) ?? 'users';
  const { may } = useSession();
  const users = useQuery(usersQuery);
  const notUsed = isNotUsed(users.error);
  const approvals = useQuery({ ...approvalsQuery, enabled: !notUsed });
  const waiting = approvals.data?.items.length ?? 0;
  const [creating, create] = useDisclosure();

  if (notUsed) {
    return (
      <Page title="Second factor">
        <NotUsed />
      </Page>
    );
  }
  return (
    <Page
      title="Second factor"
      lead="Users and devices of the built-in second factor. The primary knows their passwords, this knows their devices: the names must match."
      actions={
        may('operator') && (
          <Button leftSection={<UserPlus size={16} aria-hidden />} onClick={create.open}>
            Add a user
          </Button>
        )
      }
    >
      <Tabs
        value={tab}
        onChange={(next) =>
          navigate({ to: '/second-factor', search: next && next !== 'users' ? { tab: next } : {} })
        }
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="users">Users</Tabs.Tab>
          <Tabs.Tab value="devices">Devices</Tabs.Tab>
          <Tabs.Tab
            value="approvals"
            rightSection={
              waiting > 0 ? (
                <Badge size="sm" color="blue" variant="light">
                  {waiting}
                </Badge>
              ) : null
            }
          >
            Approvals
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="users">
          <Loaded query={users}>{(data) => <UsersTab users={data} create={create.open} />}</Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="devices">
          <Loaded query={users}>{(data) => <DevicesTab users={data} />}</Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="approvals">
          <Approvals users={users.data?.items ?? []} />
        </Tabs.Panel>
      </Tabs>
      <CreateUser opened={creating} close={create.close} />
    </Page>
  );
}
