import { Button, Group, Select, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { integrationsQuery } from '@/api/queries';
import { NamedRoleForm } from '@/components/named-role';
import { ShownOnce } from '@/components/once';
import { OnceDialog } from '@/components/once-dialog';
import { ProblemAlert } from '@/components/problem';
import { Time } from '@/components/time';
import {
  type Administrator,
  administratorsQuery,
  type Invitation,
  type Invited,
  invite,
  removeAdministrator,
} from './queries';
import { invitationLink } from './words';

/** Invites somebody, or once more, then shows their link in the one moment in which that can be done. */
export function Invite({
  opened,
  again,
  close,
}: {
  opened: boolean;
  /** Who gets another link; null: somebody new is invited. */
  again: Administrator | null;
  close: () => void;
}) {
  const client = useQueryClient();
  const send = useMutation({
    mutationFn: async (wanted: Invited) => {
      if (again) await removeAdministrator(again.name, true);
      return invite(wanted);
    },
    onSettled: () => void client.invalidateQueries({ queryKey: administratorsQuery.queryKey }),
    gcTime: 0,
  });
  const made = send.data;
  const title = again ? `Create another link for ${again.name}?` : 'Invite an administrator';
  const form = { busy: send.isPending, error: send.error, send: send.mutate, cancel: close };
  return (
    <OnceDialog
      opened={opened}
      close={close}
      forget={send.reset}
      busy={send.isPending}
      made={made !== undefined}
      title={made ? `Invitation of ${made.name}` : title}
    >
      {made ? <Link made={made} done={close} /> : again ? <Renew {...form} one={again} /> : <New {...form} />}
    </OnceDialog>
  );
}

function Link({ made, done }: { made: Invitation; done: () => void }) {
  return (
    <ShownOnce
      label={`Link for ${made.name}`}
      secret={invitationLink(window.location.origin, made.invitation ?? '')}
      note={
        <>
          Send it to {made.name} over a channel nobody else can read. Whoever opens it first chooses the
          password. It works once
          {made.invited_until_ms != null && (
            <>
              , until <Time ms={made.invited_until_ms} />
            </>
          )}
          .
        </>
      }
      done={done}
    >
      <Text size="sm" c="dimmed">
        {made.integration
          ? `They accept it with a password and the second factor of ${made.integration}, under the name ${made.name}.`
          : 'They accept it with a password and an authenticator app.'}
      </Text>
    </ShownOnce>
  );
}

interface FormProps {
  busy: boolean;
  error: unknown;
  send: (wanted: Invited) => void;
  cancel: () => void;
}

function New({ busy, error, send, cancel }: FormProps) {
  const integrations = useQuery(integrationsQuery);
  const [integration, setIntegration] = useState<string | null>(null);
  const known = integrations.data?.items.map(({ id }) => id) ?? [];
  return (
    <NamedRoleForm
      about="What they sign in with: letters, digits and -_.@"
      extra="integration"
      submit="Invite"
      busy={busy}
      error={error}
      send={(named) => send({ ...named, integration })}
      cancel={cancel}
    >
      {(fault) => (
        <Select
          label="Second factor"
          description="An authenticator app needs nothing else. With an integration, they are asked as its users are, under the name above."
          placeholder="Passcodes from an app"
          data={known.map((id) => ({ value: id, label: `As at ${id}` }))}
          value={integration}
          onChange={setIntegration}
          error={fault}
          clearable
          clearButtonProps={{ 'aria-label': 'Passcodes from an app' }}
        />
      )}
    </NamedRoleForm>
  );
}

function Renew({ one, busy, error, send, cancel }: FormProps & { one: Administrator }) {
  const { name, role, integration } = one;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send({ name, role, ...(integration ? { integration } : {}) });
      }}
    >
      <Stack gap="sm">
        <Text size="sm">The earlier link stops working. The new one works for a day.</Text>
        <ProblemAlert error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            Another link for {name}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
