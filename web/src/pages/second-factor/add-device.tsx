import {
  Button,
  Checkbox,
  Collapse,
  NumberInput,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  TextInput,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { FormEnd } from '@/components/form-modal';
import { OnceDialog } from '@/components/once-dialog';
import { DeviceOnce } from './once';
import { changed, deliveryQuery } from './queries';
import { deviceName, KINDS, type User } from './words';

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
    onSuccess: ({ device, approval_url, secret }) => {
      void changed(client);
      if (approval_url || secret) return;
      notifications.show({ message: `${deviceName(device)} of ${user.name} is added.` });
      close();
    },
    gcTime: 0,
  });
  // Of an address there is nothing to hand over.
  const made = create.data?.approval_url || create.data?.secret ? create.data : undefined;
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
        <Form user={user} busy={create.isPending} error={create.error} send={create.mutate} cancel={close} />
      )}
    </OnceDialog>
  );
}

type Digits = '6' | '7' | '8';
const MADE = ['totp', 'phone', 'email', 'hotp'] as const;
type Made = (typeof MADE)[number];

function Form({
  user,
  busy,
  error,
  send,
  cancel,
}: {
  user: User;
  busy: boolean;
  error: unknown;
  send: (device: Schemas['NewDeviceWrite']) => void;
  cancel: () => void;
}) {
  const [kind, setKind] = useState<Made>('totp');
  const [name, setName] = useState('');
  const [number, setNumber] = useState('');
  const [address, setAddress] = useState(user.email);
  const delivery = useQuery(deliveryQuery).data;
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
    if (kind === 'email') return { kind, name: name.trim(), address: address.trim() };
    return {
      kind,
      name: name.trim(),
      number: number.trim(),
      capabilities: { push: can.includes('push'), phone: can.includes('phone'), sms: can.includes('sms') },
    };
  };

  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send(body());
      }}
    >
      <Stack gap="md">
        <Radio.Group label="Kind" value={kind} onChange={(value) => setKind(value as Made)}>
          <Stack gap="xs" mt={6}>
            {MADE.map((one) => (
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
        {kind === 'email' && (
          <TextInput
            label="Address"
            description={
              delivery && !delivery.smtp
                ? 'Passcodes go there. No e-mail is sent yet: set up E-mail under Delivery first.'
                : 'Passcodes go there.'
            }
            placeholder={`${user.name}@example.com`}
            type="email"
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
            maxLength={254}
            autoComplete="off"
          />
        )}
        {kind === 'phone' && (
          <>
            <TextInput
              label="Number"
              description="Shown masked, in menus and here. Calls and SMS want one."
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
                  description={
                    delivery && !delivery.voice
                      ? 'No call is placed yet: set up Calls under Delivery first.'
                      : 'A call that approves the login.'
                  }
                />
                <Checkbox
                  value="sms"
                  label="SMS passcodes"
                  description={
                    delivery && !delivery.sms
                      ? 'None is sent yet: administrators read the passcodes here, or set up SMS under Delivery.'
                      : 'Passcodes by SMS.'
                  }
                />
              </Stack>
            </Checkbox.Group>
          </>
        )}
        {(kind === 'totp' || kind === 'hotp') && (
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
        <FormEnd
          error={error}
          submit="Add the device"
          ready={kind === 'phone' ? can.length > 0 : kind !== 'email' || address.trim() !== ''}
          busy={busy}
          cancel={cancel}
        />
      </Stack>
    </form>
  );
}
