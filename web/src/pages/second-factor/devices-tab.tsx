import { ActionIcon, Table, Text, Tooltip } from '@mantine/core';
import { MonitorSmartphone, Trash2 } from 'lucide-react';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Actions, Cell, WholeCell } from '@/components/stacked';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { List, useFilters } from './list';
import { devicesOf, isKind } from './narrow';
import type { Users } from './queries';
import { useRemoveDevice } from './remove-device';
import classes from './second-factor.module.css';
import { anotherAnswers, type Device, deviceName, KINDS, type Kind, type User, uses } from './words';

const WORDS = Object.fromEntries(Object.entries(KINDS).map(([kind, { word }]) => [kind, word]));

/** The devices of all users. */
export function DevicesTab({ users }: { users: Users }) {
  const { search } = useFilters();
  const kind: Kind | undefined = isKind(search.kind) ? search.kind : undefined;
  const all = devicesOf(users.items, {});

  if (all.length === 0) {
    return (
      <Empty icon={MonitorSmartphone} title="No devices yet">
        A device belongs to a user: open one under Users, and add a phone or an authenticator app there, or
        invite the user to do it.
      </Empty>
    );
  }
  return (
    <List
      noun="device"
      label="Devices"
      placeholder="User, name or number"
      choice={{ name: 'kind', label: 'Kind', value: kind, words: WORDS }}
      all={all.length}
      found={devicesOf(users.items, { text: search.q ?? '', kind })}
      isPart={users.more}
      notes={
        users.more && (
          <Text size="sm">
            These are the devices of the first {plural(users.items.length, 'user')} by name; there are more
            users.
          </Text>
        )
      }
      head={
        <>
          <Table.Th>Device</Table.Th>
          <Table.Th>User</Table.Th>
          <Table.Th>Kind</Table.Th>
          <Table.Th>Used for</Table.Th>
          <Table.Th>Id</Table.Th>
        </>
      }
      row={({ user, device }, gone) => <Row key={device.id} user={user} device={device} gone={gone} />}
    />
  );
}

function Row({ user, device, gone }: { user: User; device: Device; gone: () => void }) {
  const { may } = useSession();
  const removeDevice = useRemoveDevice();
  return (
    <Table.Tr className={classes.row}>
      <WholeCell>
        <Text size="sm" fw={600} className="wrap">
          {deviceName(device)}
        </Text>
        {device.name && device.number && (
          <Text size="xs" c="dimmed">
            {device.number}
          </Text>
        )}
      </WholeCell>
      <Cell of="User">
        <TextLink to="/second-factor/users/$name" params={{ name: user.name }} size="sm">
          {user.name}
        </TextLink>
      </Cell>
      <Cell of="Kind">{KINDS[device.kind].word}</Cell>
      <Cell of="Used for">{uses(device).join(', ') || 'nothing'}</Cell>
      <Cell of="Id">
        <span className="mono">{device.id}</span>
      </Cell>
      <Actions>
        {(may('admin') || (may('operator') && anotherAnswers(user, device))) && (
          <Tooltip label="Remove">
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`Remove ${deviceName(device)} of ${user.name}`}
              onClick={() => removeDevice(user, device, gone)}
            >
              <Trash2 size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </Actions>
    </Table.Tr>
  );
}
