import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Group,
  Menu,
  Select,
  Table,
  Text,
  UnstyledButton,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import {
  ArrowDown,
  ArrowUp,
  ArrowUpDown,
  EllipsisVertical,
  LockKeyhole,
  LockKeyholeOpen,
  Trash2,
  TriangleAlert,
  UserPlus,
  Users as UsersIcon,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Actions, Cell, WholeCell } from '@/components/stacked';
import { count } from '@/lib/format';
import { useSession } from '@/session';
import { BypassForm } from './bypass-form';
import { useDeeds } from './deeds';
import { List, useFilters } from './list';
import { ReadOn } from './more';
import { FILTERS, isFilter, listed, ORDERS, orderOf, type Sort, sortOf, statusOf } from './narrow';
import { A_PAGE, foundQuery, groupsQuery, statusQuery } from './queries';
import classes from './second-factor.module.css';
import { StatusBadge, StatusItems } from './status';
import { behind, behindSaid } from './sync-words';
import { canLock, canUnlock, deviceLabel, FAILURES_TO_LOCK, isBare, scriptWords, type User } from './words';

export function UsersTab({ create }: { create: () => void }) {
  const { search, set } = useFilters();
  const { may } = useSession();
  const filter = isFilter(search.show) ? search.show : undefined;
  const status = useQuery(statusQuery);
  const groups = useQuery(groupsQuery);
  const sought = { search: search.q?.trim(), status: statusOf(filter), group: search.group };
  const query = useInfiniteQuery(foundQuery(sought));

  if (query.error && !query.data) {
    return <ProblemAlert error={query.error} retry={() => void query.refetch()} />;
  }
  if (!query.data) return <Loading />;
  const items = query.data.pages.flatMap((part) => part.items);
  const all = Math.max(status.data?.users ?? 0, items.length);
  const late = behind(status.data?.syncs ?? []);

  if (all === 0) {
    return (
      <Empty
        icon={UsersIcon}
        title="No users yet"
        action={
          may('operator') ? (
            <Button onClick={create} leftSection={<UserPlus size={16} aria-hidden />}>
              Add the first user
            </Button>
          ) : undefined
        }
      >
        Anyone not listed here is refused after the password. Add each person under the name they log in with,
        then give them a device or an invitation to set one up.
        {!may('operator') && ' Adding users is for operators and administrators.'}
      </Empty>
    );
  }
  return (
    <List
      noun="user"
      label="Users"
      placeholder="Name, e-mail or alias"
      choice={{ name: 'show', label: 'Show', value: filter, words: FILTERS }}
      also={
        <Select
          label="Group"
          placeholder="all"
          data={(groups.data?.items ?? []).map(({ name, users }) => ({
            value: name,
            label: `${name} (${count(users)})`,
          }))}
          value={search.group ?? null}
          onChange={(group) => set({ group: group ?? undefined })}
          clearable
          clearButtonProps={{ 'aria-label': 'All groups' }}
          searchable
          nothingFoundMessage="No such group"
          className={classes.choice}
        />
      }
      clears={['group']}
      all={all}
      found={listed(items, { filter, order: search.sort })}
      isPart={query.hasNextPage}
      notes={
        <>
          <ProblemAlert
            error={query.error}
            retry={() => void query.refetch()}
            title="What is shown may be out of date"
          />
          {late.length > 0 && (
            <Alert color="orange" icon={<TriangleAlert size={18} aria-hidden />}>
              <Text size="sm" className="wrap">
                {behindSaid(late)}{' '}
                <TextLink underline="always" to="/second-factor" search={{ tab: 'directories' }} size="sm">
                  What came of it
                </TextLink>
              </Text>
            </Alert>
          )}
          {!may('operator') && (
            <Text size="sm" c="dimmed">
              You can look at everything here. Changes are for operators and administrators.
            </Text>
          )}
          {query.hasNextPage && (
            <ReadOn
              said={`More users match than are listed: these are the first ${count(items.length)} by name. What is sorted and narrowed is those.`}
              more
              busy={query.isFetchingNextPage}
              read={async () => (await query.fetchNextPage()).hasNextPage}
              verb={`Read ${A_PAGE} more`}
            />
          )}
        </>
      }
      none="Anyone who logs in under a name that is not here is refused."
      orders={{ value: sortOf(search.sort), words: ORDERS }}
      head={
        <>
          <Sortable by="name">Name</Sortable>
          <Sortable by="status">Status</Sortable>
          <Sortable by="devices">Devices</Sortable>
          <Sortable by="codes">Bypass codes</Sortable>
          <Sortable by="failures">Wrong passcodes</Sortable>
        </>
      }
      row={(user, gone) => <Row key={user.id} user={user} gone={gone} />}
    />
  );
}

function Sortable({ by, children }: { by: Sort; children: ReactNode }) {
  const { search, set } = useFilters();
  const order = orderOf(search.sort);
  const mine = order.by === by;
  // Names begin with A; of counts the most is looked for.
  const first = by === 'name' || by === 'status' ? by : `-${by}`;
  const second = first === by ? `-${by}` : by;
  const now = `${order.down ? '-' : ''}${order.by}`;
  const Icon = !mine ? ArrowUpDown : order.down ? ArrowDown : ArrowUp;
  return (
    <Table.Th aria-sort={!mine ? undefined : order.down ? 'descending' : 'ascending'}>
      <UnstyledButton
        className={classes.sort}
        onClick={() => {
          const next = now === first ? second : first;
          set({ sort: next === 'name' ? undefined : next });
        }}
      >
        {children}
        <Icon size={13} aria-hidden className={mine ? undefined : classes.faint} />
      </UnstyledButton>
    </Table.Th>
  );
}

function Row({ user, gone }: { user: User; gone: () => void }) {
  return (
    <Table.Tr className={classes.row}>
      <WholeCell>
        <TextLink
          to="/second-factor/users/$name"
          params={{ name: user.name }}
          fw={600}
          size="sm"
          className="wrap"
        >
          {user.name}
        </TextLink>
        {(user.full_name || user.groups.length > 0) && (
          <Text size="xs" c="dimmed" className="wrap">
            {[user.full_name, user.groups.join(', ')].filter(Boolean).join(' · ')}
          </Text>
        )}
      </WholeCell>
      <Cell of="Status">
        <Group gap={6}>
          <StatusBadge status={user.status} />
          {user.script && (
            <Badge
              variant="light"
              color="orange"
              tt="none"
              title={`Pushes are answered by a script: ${scriptWords(user.script)}`}
            >
              script
            </Badge>
          )}
        </Group>
      </Cell>
      <Cell of="Devices">
        <Text size="sm" className="wrap" c={user.devices.length === 0 ? 'dimmed' : undefined}>
          {user.devices.map(deviceLabel).join(', ') || (isBare(user) ? 'none yet' : 'none')}
        </Text>
      </Cell>
      <Cell of="Bypass codes">
        <Text size="sm" c={user.bypass_codes === 0 ? 'dimmed' : undefined}>
          {user.bypass_codes}
        </Text>
      </Cell>
      <Cell of="Wrong passcodes">
        <Failures user={user} />
      </Cell>
      <Actions>
        <RowMenu user={user} gone={gone} />
      </Actions>
    </Table.Tr>
  );
}

/** Wrong passcodes, of how many. */
function Failures({ user }: { user: User }) {
  if (user.failures === 0) {
    return (
      <Text size="sm" c="dimmed" span>
        0
      </Text>
    );
  }
  return (
    <Group gap={4} wrap="nowrap">
      <TriangleAlert size={14} aria-hidden color="var(--mantine-color-orange-text)" />
      <Text size="sm" span>
        {user.failures} of {FAILURES_TO_LOCK}
      </Text>
    </Group>
  );
}

function RowMenu({ user, gone }: { user: User; gone: () => void }) {
  const { lock, unlock, remove } = useDeeds();
  const { may } = useSession();
  const [bypassing, bypass] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end" width={280}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`What can be done to ${user.name}`}>
            <EllipsisVertical size={18} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {may('operator') ? (
            <>
              {canUnlock(user) && (
                <Menu.Item
                  leftSection={<LockKeyholeOpen size={16} aria-hidden />}
                  onClick={() => unlock(user)}
                >
                  Unlock
                </Menu.Item>
              )}
              {canLock(user) && (
                <Menu.Item leftSection={<LockKeyhole size={16} aria-hidden />} onClick={() => lock(user)}>
                  Lock
                </Menu.Item>
              )}
              <StatusItems user={user} bypass={bypass.open} />
              {may('admin') && (
                <>
                  <Menu.Divider />
                  <Menu.Item
                    color="red"
                    leftSection={<Trash2 size={16} aria-hidden />}
                    onClick={() => remove(user, gone)}
                  >
                    Delete
                  </Menu.Item>
                </>
              )}
            </>
          ) : (
            <Menu.Label>Changes are for operators and administrators.</Menu.Label>
          )}
        </Menu.Dropdown>
      </Menu>
      <BypassForm user={user} opened={bypassing} close={bypass.close} />
    </>
  );
}
