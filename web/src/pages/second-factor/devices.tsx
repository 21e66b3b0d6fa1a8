import { ActionIcon, Badge, Button, Group, Stack, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  AtSign,
  Hash,
  KeyRound,
  type LucideIcon,
  Mail,
  Pencil,
  Plus,
  RefreshCw,
  Smartphone,
  Timer,
  Trash2,
} from 'lucide-react';
import { useRef, useState } from 'react';
import { Time } from '@/components/time';
import { useSession } from '@/session';
import { AddDevice } from './add-device';
import { Invite } from './invite';
import { useRemoveDevice } from './remove-device';
import { RenameDevice } from './rename-device';
import { type Generator, Resync } from './resync';
import { Section } from './section';
import {
  anotherAnswers,
  type Device,
  deviceFacts,
  deviceName,
  KINDS,
  type Kind,
  type User,
  uses,
} from './words';

const ICONS: Record<Kind, LucideIcon> = {
  phone: Smartphone,
  totp: Timer,
  hotp: Hash,
  security_key: KeyRound,
  email: AtSign,
};

/** Something that can be done to a device. */
function Deed({
  icon: Icon,
  label,
  of,
  act,
}: {
  icon: LucideIcon;
  label: string;
  of: string;
  act: () => void;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" aria-label={`${label} ${of}`} onClick={act}>
        <Icon size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}

export function Devices({ user }: { user: User }) {
  const { may } = useSession();
  const [adding, add] = useDisclosure();
  const [inviting, invite] = useDisclosure();
  const [renamed, setRenamed] = useState<Device | null>(null);
  const [lost, setLost] = useState<Generator | null>(null);
  const removeDevice = useRemoveDevice();
  const kept = user.devices.filter((device) => !may('admin') && !anotherAnswers(user, device));
  const place = useRef<HTMLDivElement>(null);
  return (
    <Section
      title="Devices"
      actions={
        may('admin') && (
          <>
            <Button
              size="sm"
              variant="default"
              onClick={invite.open}
              leftSection={<Mail size={16} aria-hidden />}
            >
              Invite
            </Button>
            <Button size="sm" onClick={add.open} leftSection={<Plus size={16} aria-hidden />}>
              Add a device
            </Button>
          </>
        )
      }
    >
      <div ref={place} tabIndex={-1} style={{ outline: 'none' }}>
        {user.devices.length === 0 ? (
          <Text size="sm" c="dimmed">
            No device yet.{' '}
            {may('admin')
              ? `An invitation lets ${user.name} set up their own; or add one here and hand over what is shown.`
              : 'Devices are added by administrators.'}
          </Text>
        ) : (
          <Stack gap="xs" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
            {user.devices.map((device) => {
              const Icon = ICONS[device.kind];
              return (
                <Group key={device.id} component="li" justify="space-between" wrap="nowrap" gap="xs">
                  <Group gap="sm" wrap="nowrap" align="flex-start">
                    <Icon size={20} aria-hidden style={{ flexShrink: 0, marginTop: 2 }} />
                    <div>
                      <Text fw={600} size="sm" className="wrap">
                        {deviceName(device)}
                      </Text>
                      <Group gap={6}>
                        <Text size="xs" c="dimmed" className="wrap">
                          {[
                            KINDS[device.kind].word,
                            device.name && device.number ? device.number : '',
                            device.id,
                          ]
                            .filter((part) => part && part !== deviceName(device))
                            .join(' · ')}
                        </Text>
                        {uses(device).map((use) => (
                          <Badge key={use} size="sm" variant="light" tt="none">
                            {use}
                          </Badge>
                        ))}
                      </Group>
                      <Text size="xs" c="dimmed" className="wrap">
                        {deviceFacts(device).join(' · ')}
                        {deviceFacts(device).length > 0 && ' · '}
                        {device.last_used ? (
                          <>
                            last used <Time ms={device.last_used * 1_000} form="relative" />
                          </>
                        ) : (
                          'not used yet'
                        )}
                      </Text>
                    </div>
                  </Group>
                  {may('operator') && (
                    <Group gap={2} wrap="nowrap">
                      <Deed
                        icon={Pencil}
                        label="Rename"
                        of={deviceName(device)}
                        act={() => setRenamed(device)}
                      />
                      {may('admin') && (device.kind === 'totp' || device.kind === 'hotp') && (
                        <Deed
                          icon={RefreshCw}
                          label="Find again"
                          of={deviceName(device)}
                          act={() =>
                            setLost({
                              user: user.name,
                              id: device.id,
                              kind: device.kind,
                              name: deviceName(device),
                            })
                          }
                        />
                      )}
                      {!kept.includes(device) && (
                        <Deed
                          icon={Trash2}
                          label="Remove"
                          of={deviceName(device)}
                          act={() => removeDevice(user, device, () => place.current?.focus())}
                        />
                      )}
                    </Group>
                  )}
                </Group>
              );
            })}
          </Stack>
        )}
        {may('operator') && kept.length > 0 && (
          <Text size="sm" c="dimmed" mt="xs">
            The last device that answers for {user.name} is removed by administrators: without one, whoever
            knows the password could set up their own. Lock {user.name} instead.
          </Text>
        )}
      </div>
      <RenameDevice user={user} device={renamed} close={() => setRenamed(null)} />
      <Resync generator={lost} close={() => setLost(null)} />
      <AddDevice user={user} opened={adding} close={add.close} />
      <Invite user={user} opened={inviting} close={invite.close} />
    </Section>
  );
}
