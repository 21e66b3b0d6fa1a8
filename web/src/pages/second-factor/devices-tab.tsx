import { ActionIcon, Group, Pagination, Select, Stack, Table, Text, TextInput, Tooltip } from '@mantine/core';
import { MonitorSmartphone, Search, Trash2 } from 'lucide-react';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import type { Users } from './data';
import { useRemoveDevice } from './remove-device';
import classes from './second-factor.module.css';
import { useFilters } from './users-tab';
import { deviceName, devicesOf, isKind, KINDS, pageOf, uses } from './words';

const ROWS = 50;

/** The devices of all users. */
export function DevicesTab({ users }: { users: Users }) {
  const { search, set } = useFilters();
  const { may } = useSession();
  const removeDevice = useRemoveDevice();
  const kind = isKind(search.kind) ? search.kind : undefined;
  const all = devicesOf(users.items, {});
  const found = devicesOf(users.items, { text: search.q ?? '', kind });
  const { page, pages, items } = pageOf(found, search.page, ROWS);

  if (all.length === 0) {
    return (
      <Empty icon={MonitorSmartphone} title="No devices yet">
        A device belongs to a user: open one under Users, and add a phone or an authenticator app there, or
        invite the user to do it.
      </Empty>
    );
  }
  return (
    <Stack gap="sm">
      <Group gap="sm" align="flex-end">
        <TextInput
          label="Search"
          placeholder="User, name or number"
          leftSection={<Search size={16} aria-hidden />}
          value={search.q ?? ''}
          onChange={(event) => set({ q: event.currentTarget.value })}
          type="search"
          className={classes.search}
        />
        <Select
          label="Kind"
          data={[
            { value: 'all', label: 'all' },
            ...Object.entries(KINDS).map(([value, { word }]) => ({ value, label: word })),
          ]}
          value={kind ?? 'all'}
          onChange={(value) => set({ kind: value === 'all' || !value ? undefined : value })}
          allowDeselect={false}
          w={210}
        />
        <Text size="sm" c="dimmed" role="status" pb={8}>
          {found.length === all.length
            ? plural(all.length, 'device')
            : `${found.length} of ${plural(all.length, 'device')}`}
        </Text>
      </Group>
      {found.length === 0 ? (
        <Empty icon={Search} title="No device matches">
          {plural(all.length, 'device')} are hidden by the search.
        </Empty>
      ) : (
        <Table.ScrollContainer minWidth={640} type="native">
          <Table verticalSpacing={6} highlightOnHover aria-label="Devices">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Device</Table.Th>
                <Table.Th>User</Table.Th>
                <Table.Th>Kind</Table.Th>
                <Table.Th>Used for</Table.Th>
                <Table.Th>Id</Table.Th>
                <Table.Th className={classes.narrow}>
                  <span className={classes.hidden}>What can be done</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map(({ user, device }) => (
                <Table.Tr key={device.id}>
                  <Table.Td className="wrap">
                    {deviceName(device)}
                    {device.name && device.number && (
                      <Text size="xs" c="dimmed">
                        {device.number}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td className="wrap">
                    <TextLink to="/second-factor/users/$name" params={{ name: user.name }} size="sm">
                      {user.name}
                    </TextLink>
                  </Table.Td>
                  <Table.Td>{KINDS[device.kind].word}</Table.Td>
                  <Table.Td>{uses(device).join(', ') || 'nothing'}</Table.Td>
                  <Table.Td className="mono">{device.id}</Table.Td>
                  <Table.Td className={classes.narrow}>
                    {may('operator') && (
                      <Tooltip label="Remove">
                        <ActionIcon
                          variant="subtle"
                          color="gray"
                          aria-label={`Remove ${deviceName(device)} of ${user.name}`}
                          onClick={() => removeDevice(user, device)}
                        >
                          <Trash2 size={16} aria-hidden />
                        </ActionIcon>
                      </Tooltip>
                    )}
                  </Table.Td>
                </Table.Tr>
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
