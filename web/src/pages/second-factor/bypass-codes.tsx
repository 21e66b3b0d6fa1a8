import { Alert, Button, CopyButton, Group, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Copy, KeyRound, Printer } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { FormEnd } from '@/components/form-modal';
import { OnceDialog } from '@/components/once-dialog';
import { localTime, plural } from '@/lib/format';
import { useSession } from '@/session';
import { changed } from './queries';
import classes from './second-factor.module.css';
import { Section } from './section';
import { LIVES, type User } from './words';

const AS_LONG = [...LIVES, { value: '', label: 'for ever' }];

interface Made {
  codes: string[];
  /** Milliseconds since 1970; null is for ever. */
  until: number | null;
}

export function BypassCodes({ user }: { user: User }) {
  const client = useQueryClient();
  const { may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const create = useMutation({
    mutationFn: async (body: Schemas['NewBypassCodes']): Promise<Made> => {
      const path = { name: user.name };
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/bypass-codes', { params: { path }, body }),
      );
      const { valid_seconds: seconds } = body;
      return {
        codes: (answer as Schemas['BypassCodes']).codes,
        until: seconds == null ? null : Date.now() + seconds * 1_000,
      };
    },
    onSuccess: () => void changed(client),
    gcTime: 0,
  });
  const made = create.data;
  return (
    <Section
      title="Bypass codes"
      actions={
        may('admin') && (
          <Button size="sm" variant="default" onClick={open} leftSection={<KeyRound size={16} aria-hidden />}>
            Create codes
          </Button>
        )
      }
    >
      <Text size="sm">
        <b>{user.bypass_codes === 0 ? 'None' : plural(user.bypass_codes, 'code')}</b>{' '}
        {user.bypass_codes === 0 ? 'can be used.' : 'can still be used.'}
      </Text>
      <Text size="sm" c="dimmed">
        Nine digits in place of a passcode, each good for one login: for somebody who has lost their phone.
        {!may('admin') && ' Only administrators can create them.'}
      </Text>
      <OnceDialog
        opened={opened}
        close={close}
        forget={create.reset}
        busy={create.isPending}
        made={made !== undefined}
        title={made ? `Bypass codes of ${user.name}, shown once` : `Create bypass codes for ${user.name}`}
      >
        {made ? (
          <Codes made={made} user={user.name} done={close} />
        ) : (
          <Form
            user={user}
            busy={create.isPending}
            error={create.error}
            send={create.mutate}
            cancel={close}
          />
        )}
      </OnceDialog>
    </Section>
  );
}

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
  send: (wanted: Schemas['NewBypassCodes']) => void;
  cancel: () => void;
}) {
  const [count, setCount] = useState<number | string>(user.devices.length > 0 ? 1 : 5);
  const [life, setLife] = useState('86400');

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send({ count: Number(count), valid_seconds: life ? Number(life) : null });
      }}
    >
      <Stack gap="sm">
        <NumberInput
          label="How many"
          min={1}
          max={100}
          clampBehavior="strict"
          allowDecimal={false}
          value={count}
          onChange={setCount}
          data-autofocus
        />
        <Select
          label="Good for"
          data={AS_LONG}
          value={life}
          onChange={(value) => setLife(value ?? '')}
          allowDeselect={false}
        />
        {user.bypass_codes > 0 && (
          <Alert color="orange" title={`${plural(user.bypass_codes, 'earlier code')} will stop working`}>
            <Text size="sm">The new codes replace all earlier ones.</Text>
          </Alert>
        )}
        <FormEnd error={error} submit="Create the codes" ready={count !== ''} busy={busy} cancel={cancel} />
      </Stack>
    </form>
  );
}

function Codes({ made, user, done }: { made: Made; user: string; done: () => void }) {
  return (
    <Stack gap="sm">
      <div className={classes.printed}>
        <Text size="sm" mb="xs">
          Each works once, in place of a passcode of <b className="wrap">{user}</b>
          {made.until !== null && <>, until {localTime(made.until)}</>}.
        </Text>
        <ul className={`mono ${classes.codes}`} aria-label="Bypass codes">
          {made.codes.map((code) => (
            <li key={code}>{code}</li>
          ))}
        </ul>
      </div>
      <Text size="sm" c="dimmed">
        They are shown only once. Whoever has one and the password is let in.
      </Text>
      <Group justify="flex-end" gap="xs">
        <CopyButton value={made.codes.join('\n')} timeout={2_000}>
          {({ copied, copy }) => (
            <Button variant="default" leftSection={<Copy size={16} aria-hidden />} onClick={copy}>
              <span aria-live="polite">{copied ? 'Copied' : 'Copy all'}</span>
            </Button>
          )}
        </CopyButton>
        <Button
          variant="default"
          leftSection={<Printer size={16} aria-hidden />}
          onClick={() => window.print()}
        >
          Print
        </Button>
        <Button onClick={done}>I have them</Button>
      </Group>
    </Stack>
  );
}
