import { ActionIcon, Badge, Button, Group, Stack, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Hash, type LucideIcon, Mail, Plus, Smartphone, Timer, Trash2 } from 'lucide-react';
import { useRef } from 'react';
import { useSession } from '@/session';
import { AddDevice } from './add-device';
import { Invite } from './invite';
import { useRemoveDevice } from './remove-device';
import { Section } from './section';
import { deviceName, KINDS, type Kind, type User, uses } from './words';

const ICONS: Record<Kind, LucideIcon> = { phone: Smartphone, totp: Timer, hotp: Hash };

export function Devices({ user }: { user: User }) {
  const { may } = useSession();
  const [adding, add] = useDisclosure();
  const [inviting, invite] = useDisclosure();
  const removeDevice = useRemoveDevice();
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
                    </div>
                  </Group>
                  {may('operator') && (
                    <Tooltip label="Remove">
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={`Remove ${deviceName(device)}`}
                        onClick={() => removeDevice(user, device, () => place.current?.focus())}
                      >
                        <Trash2 size={16} aria-hidden />
                      </ActionIcon>
                    </Tooltip>
                  )}
                </Group>
              );
            })}
          </Stack>
        )}
      </div>
      <AddDevice user={user} opened={adding} close={add.close} />
      <Invite user={user} opened={inviting} close={invite.close} />
    </Section>
  );
}
