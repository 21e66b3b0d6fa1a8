import {
  Button,
  Checkbox,
  Collapse,
  Group,
  Modal,
  NumberInput,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  TextInput,
} from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { changed } from './data';
import { DeviceOnce } from './once';
import { KINDS, type Kind, type User } from './words';

type Created = Schemas['CreatedDevice'];

export function AddDevice({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const [made, setMade] = useState<Created | null>(null);
  const shut = () => {
    close();
    setMade(null);
  };
  return (
    <Modal
      opened={opened}
      onClose={shut}
      size="lg"
      title={made ? `For ${user.name}, shown once` : `Add a device for ${user.name}`}
      // What is shown once is not lost by a slip.
      closeOnClickOutside={!made}
      closeOnEscape={!made}
      withCloseButton={!made}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {made ? (
        <DeviceOnce made={made} user={user.name} done={shut} />
      ) : (
        <Form user={user} made={setMade} cancel={shut} />
      )}
    </Modal>
  );
}

type Digits = '6' | '7' | '8';

function Form({ user, made, cancel }: { user: User; made: (device: Created) => void; cancel: () => void }) {
  const client = useQueryClient();
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
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const body = (): Schemas['NewDeviceWrite'] => {
    const own = secret.replace(/\s+/g, '');
    const generator = { name, digits: Number(digits), ...(own ? { secret: own } : {}) };
    if (kind === 'totp') return { kind, ...generator, algorithm, period: Number(period) };
    if (kind === 'hotp') return { kind, ...generator, counter: Number(counter) };
    return {
      kind,
      name,
      number,
      capabilities: { push: can.includes('push'), phone: can.includes('phone'), sms: can.includes('sms') },
    };
  };

  const create = async () => {
    setBusy(true);
    setError(null);
    try {
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/devices', {
          params: { path: { name: user.name } },
          body: body(),
        }),
      );
      await changed(client);
      made(answer as Created);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void create();
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
            <Checkbox.Group label="What it can do" value={can} onChange={setCan}>
              <Stack gap={6} mt={6}>
                <Checkbox
                  value="push"
                  label="push"
                  description="It is answered on the phone’s approval page."
                />
                <Checkbox
                  value="phone"
                  label="call"
                  description="For who types phone. No call is placed: it is answered as a push."
                />
                <Checkbox
                  value="sms"
                  label="SMS passcodes"
                  description="For who types sms. None is sent: administrators read the codes here."
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
