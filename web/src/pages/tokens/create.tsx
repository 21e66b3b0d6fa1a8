import { Button, Group, Modal, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ask } from '@/api/client';
import { CopyBlock } from '@/components/copy';
import { ShownOnce } from '@/components/once';
import { ProblemAlert } from '@/components/problem';
import { RoleChoice } from '@/components/role';
import { useNow } from '@/components/time';
import { faultsOf } from '@/lib/faults';
import { localTime } from '@/lib/format';
import type { Role } from '@/session';
import { tokensQuery } from './queries';
import { curlLine, DAY_SECONDS, MOST_DAYS } from './words';

const SHOWN = ['name', 'role', 'expires_in_seconds'];

/** Makes a token, then shows it in the one moment in which that can be done. */
export function CreateToken({ opened, close }: { opened: boolean; close: () => void }) {
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const shut = () => {
    close();
    setMade(null);
  };
  return (
    <Modal
      opened={opened}
      onClose={shut}
      title={made ? `Token ${made.name}` : 'Create a token'}
      size="lg"
      // Not by accident: it is not shown again.
      closeOnEscape={!made}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {opened &&
        (made ? (
          <ShownOnce
            label={`Token ${made.name}`}
            secret={made.token}
            note="The gateway keeps a hash of it alone. Store it where the program that uses it finds it, and nobody else."
            done={shut}
          >
            <Text size="sm" fw={600}>
              Try it
            </Text>
            <CopyBlock
              text={curlLine(window.location.origin, made.token)}
              label="A request with this token"
            />
            {window.location.protocol === 'https:' && (
              <Text size="sm" c="dimmed">
                With the gateway’s self-made certificate, curl wants <code>--cacert admin.pem</code> too.
              </Text>
            )}
          </ShownOnce>
        ) : (
          <Form cancel={shut} made={(name, token) => setMade({ name, token })} />
        ))}
    </Modal>
  );
}

function Form({ cancel, made }: { cancel: () => void; made: (name: string, token: string) => void }) {
  const client = useQueryClient();
  const now = useNow(60_000);
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState<number | string>(90);
  const create = useMutation({
    mutationFn: () =>
      ask(
        api.POST('/api/v1/tokens', {
          body: { name: name.trim(), role, expires_in_seconds: Math.round(Number(days) * DAY_SECONDS) },
        }),
      ),
    onSuccess: async (token) => {
      await client.invalidateQueries({ queryKey: tokensQuery.queryKey });
      made(token.name, token.token ?? '');
    },
  });
  const { at, rest } = faultsOf(create.error, (path) => SHOWN.includes(path));
  const good = Number(days) > 0;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!create.isPending) create.mutate();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          description="To know it by: the program or the person that gets it."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={at.name}
          maxLength={64}
          required
          autoComplete="off"
          data-autofocus
        />
        <RoleChoice value={role} onChange={setRole} error={at.role} />
        <NumberInput
          label="Days"
          description={
            good
              ? `It opens nothing any more from ${localTime(now + Number(days) * DAY_SECONDS * 1_000)} on.`
              : 'How long it is good for.'
          }
          value={days}
          onChange={setDays}
          error={at.expires_in_seconds}
          min={1}
          max={MOST_DAYS}
          allowDecimal={false}
          allowNegative={false}
          required
        />
        <ProblemAlert error={rest} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={create.isPending}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending} disabled={!good}>
            Create the token
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
