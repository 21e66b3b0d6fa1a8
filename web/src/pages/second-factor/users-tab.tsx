import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Menu,
  Pagination,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import {
  ArrowDown,
  ArrowUp,
  ArrowUpDown,
  EllipsisVertical,
  LockKeyholeOpen,
  Search,
  Trash2,
  TriangleAlert,
  UserPlus,
  Users as UsersIcon,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { type Users, useDeeds } from './data';
import classes from './second-factor.module.css';
import { StatusBadge, StatusItems } from './status';
import {
  deviceLabel,
  FAILURES_TO_LOCK,
  FILTERS,
  isBare,
  isFilter,
  listed,
  orderOf,
  pageOf,
  type Sort,
  scriptWords,
  type User,
} from './words';

const ROWS = 50;

/** What narrows the list: in the address, so that it can be sent to somebody. */
export function useFilters() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const set = (changes: Record<string, string | undefined>) => {
    const next = Object.fromEntries(
      Object.entries({ ...search, page: undefined, ...changes }).filter(([, value]) => value),
    );
    void navigate({ to: '/second-factor', search: next, replace: true, resetScroll: false });
  };
  return { search, set };
}

export function UsersTab({ users, create }: { users: Users; create: () => void }) {
  const { search, set } = useFilters();
  const { may } = useSession();
  const filter = isFilter(search.show) ? search.show : undefined;
  const found = listed(users.items, { text: search.q ?? '', filter, order: search.sort });
  const { page, pages, items } = pageOf(found, search.page, ROWS);

  if (users.items.length === 0) {
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
        Whoever is not here is refused after the password. Add each person under the name with which they log
        in, then give them a device or an invitation to set one up.
        {!may('operator') && ' Adding users is for operators and administrators.'}
      </Empty>
    );
  }
  return (
    <Stack gap="sm">
      <Group gap="sm" align="flex-end">
        <TextInput
          label="Search"
          placeholder="Name, device or number"
          leftSection={<Search size={16} aria-hidden />}
          value={search.q ?? ''}
          onChange={(event) => set({ q: event.currentTarget.value })}
          type="search"
          className={classes.search}
        />
        <Select
          label="Show"
          data={[
            { value: 'all', label: 'all' },
            ...Object.entries(FILTERS).map(([value, label]) => ({ value, label })),
          ]}
          value={filter ?? 'all'}
          onChange={(value) => set({ show: value === 'all' || !value ? undefined : value })}
          allowDeselect={false}
          w={210}
        />
        <Text size="sm" c="dimmed" role="status" pb={8}>
          {found.length === users.items.length && !users.more
            ? plural(found.length, 'user')
            : `${found.length} of ${plural(users.items.length, 'user')}`}
        </Text>
      </Group>
      {!may('operator') && (
        <Text size="sm" c="dimmed">
          You can look at everything here. Changes are for operators and administrators.
        </Text>
      )}
      {users.more && (
        <Text size="sm">
          There are more users than are listed here: the first {plural(users.items.length, 'user')} by name.{' '}
          {search.q && (
            <TextLink to="/second-factor/users/$name" params={{ name: search.q }}>
              Open {search.q}
            </TextLink>
          )}
        </Text>
      )}
      {found.length === 0 ? (
        <Empty
          icon={Search}
          title="No user matches"
          action={
            <Group justify="center" gap="xs">
              <Button variant="default" onClick={() => set({ q: undefined, show: undefined })}>
                Show all
              </Button>
            </Group>
          }
        >
          {plural(users.items.length, 'user')} are hidden by the search. Whoever logs in under a name that is
          not here is refused.
        </Empty>
      ) : (
        <Table.ScrollContainer minWidth={720} type="native">
          <Table verticalSpacing={6} highlightOnHover aria-label="Users">
            <Table.Thead>
              <Table.Tr>
                <Sortable by="name">Name</Sortable>
                <Sortable by="status">Status</Sortable>
                <Sortable by="devices">Devices</Sortable>
                <Sortable by="codes">Bypass codes</Sortable>
                <Sortable by="failures">Wrong passcodes</Sortable>
                <Table.Th className={classes.narrow}>
                  <span className={classes.hidden}>What can be done</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map((user) => (
                <Row key={user.id} user={user} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {pages > 1 && (
        <Pagination
          total={pages}
          value={page}
          onChange={(next) => set({ page: String(next) })}
          getItemProps={(item) => ({ 'aria-label': `Page ${item}` })}
          getControlProps={(control) => ({ 'aria-label': `${control} page` })}
        />
      )}
    </Stack>
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

function Row({ user }: { user: User }) {
  return (
    <Table.Tr>
      <Table.Td className="wrap">
        <TextLink to="/second-factor/users/$name" params={{ name: user.name }} fw={600} size="sm">
          {user.name}
        </TextLink>
      </Table.Td>
      <Table.Td>
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
      </Table.Td>
      <Table.Td>
        <Text size="sm" className="wrap" c={user.devices.length === 0 ? 'dimmed' : undefined}>
          {user.devices.map(deviceLabel).join(', ') || (isBare(user) ? 'none: is to enrol' : 'none')}
        </Text>
      </Table.Td>
      <Table.Td>
        <Text size="sm" c={user.bypass_codes === 0 ? 'dimmed' : undefined}>
          {user.bypass_codes}
        </Text>
      </Table.Td>
      <Table.Td>
        <Failures user={user} />
      </Table.Td>
      <Table.Td className={classes.narrow}>
        <RowMenu user={user} />
      </Table.Td>
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

function RowMenu({ user }: { user: User }) {
  const { unlock, remove } = useDeeds();
  const { may } = useSession();
  const canUnlock = user.status === 'locked_out' || (user.status === 'active' && user.failures > 0);
  return (
    <Menu position="bottom-end" width={280}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`What can be done to ${user.name}`}>
          <EllipsisVertical size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {may('operator') ? (
          <>
            {canUnlock && (
              <Menu.Item leftSection={<LockKeyholeOpen size={16} aria-hidden />} onClick={() => unlock(user)}>
                Unlock
              </Menu.Item>
            )}
            <StatusItems user={user} />
            <Menu.Divider />
            <Menu.Item
              color="red"
              leftSection={<Trash2 size={16} aria-hidden />}
              onClick={() => remove(user)}
            >
              Delete
            </Menu.Item>
          </>
        ) : (
          <Menu.Label>Changes are for operators and administrators.</Menu.Label>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
