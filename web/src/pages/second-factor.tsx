import { Badge, Button, Tabs } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { UserPlus } from 'lucide-react';
import { Loaded, Page } from '@/components/page';
import { useSession } from '@/session';
import { ApplicationsTab } from './second-factor/applications-tab';
import { Approvals } from './second-factor/approvals';
import { CreateUser } from './second-factor/create-user';
import { DeliveryTab } from './second-factor/delivery-tab';
import { DevicesTab } from './second-factor/devices-tab';
import { DirectoriesTab } from './second-factor/directories-tab';
import { EnrolmentTab } from './second-factor/enrolment-tab';
import { NotUsed } from './second-factor/not-used';
import { PolicyTab } from './second-factor/policy-tab';
import { approvalsQuery, isNotUsed, statusQuery, usersQuery } from './second-factor/queries';
import { RiskTab } from './second-factor/risk-tab';
import { TakeIn } from './second-factor/take-in';
import { TokensTab } from './second-factor/tokens-tab';
import { UsersTab } from './second-factor/users-tab';

const TABS = [
  'users',
  'directories',
  'devices',
  'tokens',
  'approvals',
  'enrolment',
  'policy',
  'risk',
  'delivery',
  'applications',
] as const;

function AllDevices() {
  const users = useQuery(usersQuery);
  return <Loaded query={users}>{(data) => <DevicesTab users={data} />}</Loaded>;
}

export function SecondFactorPage() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const tab = TABS.find((one) => one === search.tab) ?? 'users';
  const { may } = useSession();
  const notUsed = isNotUsed(useQuery(statusQuery).error);
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
          <>
            {may('admin') && <TakeIn />}
            <Button leftSection={<UserPlus size={16} aria-hidden />} onClick={create.open}>
              Add a user
            </Button>
          </>
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
          <Tabs.Tab value="directories">Directories</Tabs.Tab>
          <Tabs.Tab value="devices">Devices</Tabs.Tab>
          <Tabs.Tab value="tokens">Hardware tokens</Tabs.Tab>
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
          <Tabs.Tab value="enrolment">Enrolment</Tabs.Tab>
          <Tabs.Tab value="policy">Policy</Tabs.Tab>
          <Tabs.Tab value="risk">Risk</Tabs.Tab>
          <Tabs.Tab value="delivery">Delivery</Tabs.Tab>
          <Tabs.Tab value="applications">Applications</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="users">
          <UsersTab create={create.open} />
        </Tabs.Panel>
        <Tabs.Panel value="directories">
          <DirectoriesTab />
        </Tabs.Panel>
        <Tabs.Panel value="devices">
          <AllDevices />
        </Tabs.Panel>
        <Tabs.Panel value="tokens">
          <TokensTab />
        </Tabs.Panel>
        <Tabs.Panel value="enrolment">
          <EnrolmentTab />
        </Tabs.Panel>
        <Tabs.Panel value="approvals">
          <Approvals />
        </Tabs.Panel>
        <Tabs.Panel value="policy">
          <PolicyTab />
        </Tabs.Panel>
        <Tabs.Panel value="risk">
          <RiskTab />
        </Tabs.Panel>
        <Tabs.Panel value="delivery">
          <DeliveryTab />
        </Tabs.Panel>
        <Tabs.Panel value="applications">
          <ApplicationsTab />
        </Tabs.Panel>
      </Tabs>
      <CreateUser opened={creating} close={create.close} />
    </Page>
  );
}
