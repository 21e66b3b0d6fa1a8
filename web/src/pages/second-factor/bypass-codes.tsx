import { Alert, Button, Group, Modal, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { Copy, KeyRound, Printer } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { localTime, plural } from '@/lib/format';
import { useSession } from '@/session';
import { changed } from './data';
import classes from './second-factor.module.css';
import { Section } from './section';
import type { User } from './words';

const LIVES = [
  { value: '3600', label: 'an hour' },
  { value: '86400', label: 'a day' },
  { value: '604800', label: 'a week' },
  { value: '2592000', label: '30 days' },
  { value: '', label: 'for ever' },
];

interface Made {
  codes: string[];
  /** Milliseconds since 1970; null is for ever. */
  until: number | null;
}

export function BypassCodes({ user }: { user: User }) {
  const { may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const [made, setMade] = useState<Made | null>(null);
  const shut = () => {
    close();
    setMade(null);
  };
  return (
    <Section
      title="Bypass codes"
      actions={
        may('admin') && (
          <Button size="sm" variant="default" onClick={open} leftSection={<KeyRound size={16} aria-hidden />}>
            Make codes
          </Button>
        )
      }
    >
      <Text size="sm">
        <b>{user.bypass_codes === 0 ? 'None' : plural(user.bypass_codes, 'code')}</b>{' '}
        {user.bypass_codes === 0 ? 'can be used.' : 'can still be used.'}
      </Text>
      <Text size="sm" c="dimmed">
        Nine digits in the place of a passcode, each good once: for who has lost the phone.
        {!may('admin') && ' Made by administrators.'}
      </Text>
      <Modal
        opened={opened}
        onClose={shut}
        title={made ? `Bypass codes of ${user.name}, shown once` : `Make bypass codes for ${user.name}`}
        closeOnClickOutside={!made}
        closeOnEscape={!made}
        withCloseButton={!made}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {made ? (
          <Codes made={made} user={user.name} done={shut} />
        ) : (
          <Form user={user} made={setMade} cancel={shut} />
        )}
      </Modal>
    </Section>
  );
}

function Form({ user, made, cancel }: { user: User; made: (made: Made) => void; cancel: () => void }) {
  const client = useQueryClient();
  const [count, setCount] = useState<number | string>(user.devices.length > 0 ? 1 : 5);
  const [life, setLife] = useState('86400');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const create = async () => {
    setBusy(true);
    setError(null);
    try {
      const seconds = life ? Number(life) : null;
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/bypass-codes', {
          params: { path: { name: user.name } },
          body: { count: Number(count), valid_seconds: seconds },
        }),
      );
      const until = seconds === null ? null : Date.now() + seconds * 1_000;
      await changed(client);
      made({ codes: (answer as Schemas['BypassCodes']).codes, until });
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
          data={LIVES}
          value={life}
          onChange={(value) => setLife(value ?? '')}
          allowDeselect={false}
        />
        {user.bypass_codes > 0 && (
          <Alert color="orange" title={`${plural(user.bypass_codes, 'code')} of before will be gone`}>
            <Text size="sm">New codes take the place of those that are there.</Text>
          </Alert>
        )}
        <ProblemAlert error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={count === ''}>
            Make the codes
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Codes({ made, user, done }: { made: Made; user: string; done: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <Stack gap="sm">
      <div className={classes.printed}>
        <Text size="sm" mb="xs">
          Each is good once in the place of a passcode of <b className="wrap">{user}</b>
          {made.until !== null && <>, until {localTime(made.until)}</>}.
        </Text>
        <ul className={`mono ${classes.codes}`} aria-label="Bypass codes">
          {made.codes.map((code) => (
            <li key={code}>{code}</li>
          ))}
        </ul>
      </div>
      <Text size="sm" c="dimmed">
        They are shown this once. Whoever has one and the password is let in.
      </Text>
      <Group justify="flex-end" gap="xs">
        <Button
          variant="default"
          leftSection={<Copy size={16} aria-hidden />}
          onClick={async () => {
            await navigator.clipboard.writeText(made.codes.join('\n'));
            setCopied(true);
          }}
        >
          <span aria-live="polite">{copied ? 'Copied' : 'Copy all'}</span>
        </Button>
        <Button
          variant="default"
          leftSection={<Printer size={16} aria-hidden />}
          onClick={() => window.print()}
        >
          Print
        </Button>
        <Button onClick={done} data-autofocus>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
