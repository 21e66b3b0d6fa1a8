import { Button, Group, PasswordInput, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { Dices } from 'lucide-react';
import { makeSecret } from './answers';
import { Choice } from './choice';
import { MODES } from './modes';
import type { FieldsProps } from './questions';

export function DeviceFields({ answers, change, devices }: FieldsProps) {
  return (
    <Radio.Group
      value={answers.device}
      onChange={(id) => {
        const device = devices.find((one) => one.id === id);
        change({ device: id, mode: device?.mode ?? 'auto' });
      }}
      aria-label="Device"
    >
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="xs">
        {devices.map((device) => (
          <Choice
            key={device.id}
            value={device.id}
            title={device.title}
            about={
              <>
                <div>{device.summary}</div>
                <div>{MODES[device.mode].short}</div>
              </>
            }
          />
        ))}
        <Choice
          value=""
          title="Another one"
          about="Anything that speaks RADIUS with PAP: a push follows the password, without a prompt."
        />
      </SimpleGrid>
    </Radio.Group>
  );
}

export function AddressFields({ answers, change, faults }: FieldsProps) {
  return (
    <Stack gap="sm" maw={520}>
      <TextInput
        label="Address of the device"
        description="As the gateway sees it: one, a network (10.0.2.0/24), or a range (10.0.0.1-10.0.0.9)."
        placeholder="10.0.0.1"
        value={answers.address}
        onChange={(event) => change({ address: event.currentTarget.value.trim() })}
        error={faults.address}
        autoComplete="off"
        spellCheck={false}
        required
      />
      <Group align="flex-end" gap="xs">
        <PasswordInput
          flex={1}
          miw={220}
          label="Shared secret"
          description="Both know it, nobody else. Made here, unless the device has one."
          value={answers.secret}
          onChange={(event) => change({ secret: event.currentTarget.value })}
          error={faults.secret}
          autoComplete="off"
          visibilityToggleButtonProps={{ 'aria-label': 'Show the shared secret', tabIndex: 0 }}
          required
        />
        <Button
          variant="default"
          leftSection={<Dices size={16} aria-hidden />}
          onClick={() => change({ secret: makeSecret() })}
        >
          Make another
        </Button>
      </Group>
      <TextInput
        label="UDP port"
        description="1812 is what devices have set. Where the gateway listens there already, the next one is filled in."
        inputMode="numeric"
        maw={220}
        value={answers.port}
        onChange={(event) => change({ port: event.currentTarget.value.trim() })}
        error={faults.port}
        autoComplete="off"
        required
      />
      <Text size="xs" c="dimmed">
        A firewall in between has to let this port through, in UDP.
      </Text>
    </Stack>
  );
}
