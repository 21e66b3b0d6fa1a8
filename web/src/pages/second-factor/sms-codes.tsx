import { Button, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Eye, EyeOff } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { CopyIcon } from '@/components/copy';
import { ProblemAlert } from '@/components/problem';
import { useSession } from '@/session';
import { deliveryQuery } from './queries';
import { Section } from './section';
import { deviceName, type User } from './words';

/** The passcodes of phones that take them by SMS: where none is sent, somebody reads them here. */
export function SmsCodes({ user }: { user: User }) {
  const { may } = useSession();
  const [codes, setCodes] = useState<Schemas['SmsCodes'][] | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const takes = user.devices.some((device) => device.capabilities.sms && device.kind === 'phone');
  const delivery = useQuery({ ...deliveryQuery, enabled: takes }).data;
  if (!takes) return null;

  const read = async () => {
    setBusy(true);
    setError(null);
    try {
      const path = { name: user.name };
      const { items } = await ask(
        api.GET('/api/v1/second-factor/users/{name}/sms-codes', { params: { path } }),
      );
      setCodes(items);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const nameOf = (id: string) => {
    const device = user.devices.find((one) => one.id === id);
    return device ? deviceName(device) : id;
  };

  return (
    <Section
      title="In place of an SMS"
      actions={
        may('admin') &&
        (codes ? (
          <Button
            size="sm"
            variant="default"
            onClick={() => setCodes(null)}
            leftSection={<EyeOff size={16} aria-hidden />}
          >
            Hide
          </Button>
        ) : (
          <Button
            size="sm"
            variant="default"
            onClick={read}
            loading={busy}
            leftSection={<Eye size={16} aria-hidden />}
          >
            Show the codes
          </Button>
        ))
      }
    >
      <Text size="sm" c="dimmed">
        {delivery?.sms
          ? `A gateway sends them to ${user.name}. Should it not, what was sent and not used yet is here to pass on.`
          : `No SMS is sent. When ${user.name} asks for passcodes, they appear here for you to pass on.`}{' '}
        {may('admin') ? 'Looking at them is recorded in the audit.' : 'Only administrators can see them.'}
      </Text>
      <Stack gap={4} mt="xs" aria-live="polite">
        <ProblemAlert error={error} />
        {codes?.length === 0 && (
          <Text size="sm">None waiting: {user.name} has not asked for any, or has used them all.</Text>
        )}
        {codes?.map(({ device, codes: own }) => (
          <div key={device}>
            <Text size="sm" fw={600}>
              {nameOf(device)}
            </Text>
            {own.map((code, index) => (
              <Group key={code} gap={4}>
                <Text className="mono">{code}</Text>
                <CopyIcon value={code} label={`Copy passcode ${index + 1}`} />
                {index === 0 && (
                  <Text size="xs" c="dimmed">
                    the next one
                  </Text>
                )}
              </Group>
            ))}
          </div>
        ))}
      </Stack>
    </Section>
  );
}
