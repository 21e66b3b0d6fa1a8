import { Badge, PasswordInput, Radio, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import type { DeviceMode } from '@/devices/template';
import { Choice } from './choice';
import { MODES } from './modes';
import { PemInput } from './pem';
import type { FieldsProps } from './questions';

export function FactorFields({ answers, change, faults }: FieldsProps) {
  return (
    <Stack gap="md" maw={720}>
      <Radio.Group
        value={answers.factor}
        onChange={(factor) => change({ factor: factor as 'builtin' | 'duo' })}
        aria-label="Second factor"
      >
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
          <Choice
            value="builtin"
            title="Built in"
            about="Users and devices are kept here. Passcodes of any authenticator app, approval pages, bypass codes."
          />
          <Choice value="duo" title="Duo" about="An account at Duo, with users and phones enrolled there." />
        </SimpleGrid>
      </Radio.Group>
      {answers.factor === 'duo' ? (
        <Stack gap="sm" maw={520}>
          <Text size="sm" c="dimmed">
            All three are shown with the application in Duo’s Admin Panel: Applications, Protect an
            Application, RADIUS.
          </Text>
          <TextInput
            label="Integration key"
            placeholder="DIXXXXXXXXXXXXXXXXXX"
            value={answers.ikey}
            onChange={(event) => change({ ikey: event.currentTarget.value.trim() })}
            error={faults.ikey}
            autoComplete="off"
            spellCheck={false}
            required
          />
          <PasswordInput
            label="Secret key"
            value={answers.skey}
            onChange={(event) => change({ skey: event.currentTarget.value.trim() })}
            error={faults.skey}
            autoComplete="off"
            visibilityToggleButtonProps={{ 'aria-label': 'Show the secret key', tabIndex: 0 }}
            required
          />
          <TextInput
            label="API hostname"
            placeholder="api-xxxxxxxx.duosecurity.com"
            value={answers.apiHost}
            onChange={(event) => change({ apiHost: event.currentTarget.value.trim() })}
            error={faults.apiHost}
            autoComplete="off"
            spellCheck={false}
            required
          />
        </Stack>
      ) : (
        <TextInput
          maw={520}
          label="First user"
          description="Somebody to try it with, by the name they log in with. Gets passcodes of an authenticator app, as a QR code later. May be left out."
          placeholder="alice"
          value={answers.user}
          onChange={(event) => change({ user: event.currentTarget.value })}
          error={faults.user}
          autoComplete="off"
          spellCheck={false}
        />
      )}
    </Stack>
  );
}

export function ModeFields({ answers, change, faults, devices }: FieldsProps) {
  const device = devices.find(({ id }) => id === answers.device);
  const all: DeviceMode[] = ['auto', 'challenge', 'concat', 'eap', 'duo_only'];
  const offered = all.filter(
    (mode) => mode !== 'duo_only' || answers.primary === 'device' || answers.mode === mode,
  );
  return (
    <Stack gap="md" maw={720}>
      <Radio.Group
        value={answers.mode}
        onChange={(mode) => change({ mode: mode as DeviceMode })}
        aria-label="Mode"
        error={faults.mode}
      >
        <Stack gap="xs">
          {offered.map((mode) => (
            <Choice
              key={mode}
              value={mode}
              title={MODES[mode].title}
              about={MODES[mode].about}
              mark={
                mode === (device?.mode ?? 'auto') && (
                  <Badge size="sm" variant="light" tt="none">
                    {device ? `fits ${device.title.split(/[,:]/)[0]}` : 'fits all'}
                  </Badge>
                )
              }
            />
          ))}
        </Stack>
      </Radio.Group>
      {answers.mode === 'eap' && (
        <Stack gap="sm" maw={520}>
          <Text size="sm" c="dimmed">
            <code className="mono">countersign cert radius.example.com</code> makes both, with an authority of
            your own that people’s machines are told to trust.
          </Text>
          <PemInput
            label="Server certificate"
            description="In PEM, with those that signed it: radius.pem"
            value={answers.certificate}
            onChange={(certificate) => change({ certificate })}
            error={faults.certificate}
            required
          />
          <PemInput
            label="Its key"
            description="In PEM, not encrypted: radius.key"
            value={answers.key}
            onChange={(key) => change({ key })}
            error={faults.key}
            required
          />
        </Stack>
      )}
    </Stack>
  );
}
