import {
  Button,
  Checkbox,
  Collapse,
  Group,
  NumberInput,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  TextInput,
} from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { OnceDialog } from '@/components/once-dialog';
import { ProblemAlert } from '@/components/problem';
import { DeviceOnce } from './once';
import { changed } from './queries';
import { KINDS, type Kind, type User } from './words';

export function AddDevice({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const create = useMutation({
    mutationFn: async (body: Schemas['NewDeviceWrite']) => {
      const path = { name: user.name };
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/devices', { params: { path }, body }),
      );
      return answer as Schemas['CreatedDevice'];
    },
    onSuccess: () => void changed(client),
    gcTime: 0,
  });
  const made = create.data;
  return (
    <OnceDialog
      opened={opened}
      close={close}
      forget={create.reset}
      busy={create.isPending}
      made={made !== undefined}
      title={made ? `For ${user.name}, shown once` : `Add a device for ${user.name}`}
    >
      {made ? (
        <DeviceOnce made={made} user={user.name} done={close} />
      ) : (
        <Form busy={create.isPending} error={create.error} send={create.mutate} cancel={close} />
      )}
    </OnceDialog>
  );
}

type Digits = '6' | '7' | '8';

function Form({
  busy,
  error,
  send,
  cancel,
}: {
  busy: boolean;
  error: unknown;
  send: (device: Schemas['NewDeviceWrite']) => void;
  cancel: () => void;
}) {
  const [kind, setKind] = useState<Kind>('totp');
  const [name, setName] = useState('');
  const [number, setNumber] = useState('');
  const [can, setCan] = useState<string[]>(['push']);
  const [more, setMore] = useState(false);
  const [algorithm, setAlgorithm] = useState<Schemas['OtpAlgorithm']>('SHA1');
  const [digits, setDigits] = useState<Digits>('6');
  const [period, setPeriod] = useState<number | string>(30);
  const [counter, setCounter] = useState<number | string>(0);
  const [secret, setSecret] = useState('');

  const body = (): Schemas['NewDeviceWrite'] => {
    const own = secret.replace(/\s+/g, '');
    const generator = { name: name.trim(), digits: Number(digits), ...(own ? { secret: own } : {}) };
    if (kind === 'totp') return { kind, ...generator, algorithm, period: Number(period) };
    if (kind === 'hotp') return { kind, ...generator, counter: Number(counter) };
    return {
      kind,
      name: name.trim(),
      number: number.trim(),
      capabilities: { push: can.includes('push'), phone: can.includes('phone'), sms: can.includes('sms') },
    };
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send(body());
      }}
    >
      <Stack gap="md">
        <Radio.Group label="Kind" value={kind} onChange={(value) => setKind(value as Kind)}>
          <Stack gap="xs" mt={6}>
            {(['totp', 'phone', 'hotp'] as const).map((one) => (
              <Radio key={one} value={one} label={KINDS[one].word} description={KINDS[one].about} />
            ))}
          </Stack>
        </Radio.Group>
        <TextInput
          label="Name"
          description="Tells this device from others of the same user. May be empty."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={64}
          autoComplete="off"
        />
        {kind === 'phone' && (
          <>
            <TextInput
              label="Number"
              description="Shown masked, in menus and here. No call is made and no SMS is sent. May be empty."
              placeholder="+1 555 010 0199"
              type="tel"
              value={number}
              onChange={(event) => setNumber(event.currentTarget.value)}
              autoComplete="off"
            />
            <Checkbox.Group
              label="What it can do"
              value={can}
              onChange={setCan}
              error={can.length === 0 && 'Choose at least one.'}
            >
              <Stack gap={6} mt={6}>
                <Checkbox
                  value="push"
                  label="push"
                  description="It is answered on the phone’s approval page."
                />
                <Checkbox
                  value="phone"
                  label="call"
                  description="For logins that ask for phone. No call is placed: it is answered as a push."
                />
                <Checkbox
                  value="sms"
                  label="SMS passcodes"
                  description="For logins that ask for sms. None is sent: administrators read the codes here."
                />
              </Stack>
            </Checkbox.Group>
          </>
        )}
        {kind !== 'phone' && (
          <div>
            <Button
              variant="subtle"
              size="compact-sm"
              onClick={() => setMore(!more)}
              aria-expanded={more}
              leftSection={
                more ? <ChevronDown size={16} aria-hidden /> : <ChevronRight size={16} aria-hidden />
              }
            >
              More, for a token that is there already
            </Button>
            <Collapse expanded={more}>
              <SimpleGrid cols={{ base: 1, xs: 2 }} mt="xs">
                <Select
                  label="Digits"
                  data={['6', '7', '8']}
                  value={digits}
                  onChange={(value) => value && setDigits(value as Digits)}
                  allowDeselect={false}
                />
                {kind === 'totp' ? (
                  <>
                    <NumberInput
                      label="Seconds of a passcode"
                      min={15}
                      max={300}
                      value={period}
                      onChange={setPeriod}
                    />
                    <Select
                      label="Algorithm"
                      description="Many apps know SHA1 alone."
                      data={['SHA1', 'SHA256', 'SHA512']}
                      value={algorithm}
                      onChange={(value) => value && setAlgorithm(value as Schemas['OtpAlgorithm'])}
                      allowDeselect={false}
                    />
                  </>
                ) : (
                  <NumberInput label="Next counter" min={0} value={counter} onChange={setCounter} />
                )}
                <TextInput
                  label="Secret"
                  description="In base32. Empty: one is made."
                  value={secret}
                  onChange={(event) => setSecret(event.currentTarget.value)}
                  autoComplete="off"
                  spellCheck={false}
                />
              </SimpleGrid>
            </Collapse>
          </div>
        )}
        <ProblemAlert error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={kind === 'phone' && can.length === 0}>
            Add the device
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
