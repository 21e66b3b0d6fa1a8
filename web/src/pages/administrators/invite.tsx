import { Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { ShownOnce } from '@/components/once';
import { ProblemAlert } from '@/components/problem';
import { RoleChoice } from '@/components/role';
import { faultsOf } from '@/lib/faults';
import { localTime } from '@/lib/format';
import type { Role } from '@/session';
import { administratorsQuery, invite } from './queries';
import { invitationLink } from './words';

export type Invitation = Schemas['Invitation'];

const SHOWN = ['name', 'role', 'integration'];

/** Invites somebody, then shows their link in the one moment in which that can be done. */
export function Invite({
  opened,
  made,
  setMade,
  close,
}: {
  opened: boolean;
  /** The invitation that is shown: of here, or one that was renewed. */
  made: Invitation | null;
  setMade: (invitation: Invitation) => void;
  close: () => void;
}) {
  return (
    <Modal
      opened={opened || made !== null}
      onClose={close}
      title={made ? `Invitation of ${made.name}` : 'Invite an administrator'}
      size="lg"
      // Not by accident: it is not shown again.
      closeOnEscape={!made}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {made ? (
        <ShownOnce
          label={`Link for ${made.name}`}
          secret={invitationLink(window.location.origin, made.invitation ?? '')}
          note={
            <>
              Send it to {made.name} by a way that nobody else reads. Whoever opens it first chooses the
              password. It is good once
              {made.invited_until_ms ? `, until ${localTime(made.invited_until_ms)}` : ''}.
            </>
          }
          done={close}
        >
          <Text size="sm" c="dimmed">
            {made.integration
              ? `They take it with a password and the second factor of ${made.integration}, asked for ${made.name}.`
              : 'They take it with a password and an application that makes passcodes.'}
          </Text>
        </ShownOnce>
      ) : (
        opened && <Form cancel={close} made={setMade} />
      )}
    </Modal>
  );
}

function Form({ cancel, made }: { cancel: () => void; made: (invitation: Invitation) => void }) {
  const client = useQueryClient();
  const integrations = useQuery(integrationsQuery);
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [integration, setIntegration] = useState<string | null>(null);
  const send = useMutation({
    mutationFn: () => invite({ name: name.trim(), role, integration }),
    onSuccess: async (invitation) => {
      await client.invalidateQueries({ queryKey: administratorsQuery.queryKey });
      made(invitation);
    },
  });
  const { at, rest } = faultsOf(send.error, (path) => SHOWN.includes(path));
  const known = integrations.data?.items.map(({ id }) => id) ?? [];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!send.isPending) send.mutate();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          description="What they sign in with: letters, digits and -_.@"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={at.name}
          maxLength={64}
          required
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-autofocus
        />
        <RoleChoice value={role} onChange={setRole} error={at.role} />
        <Select
          label="Second factor"
          description="Passcodes work without anything else. With an integration they are asked as its users are, under the name above."
          placeholder="Passcodes of an application"
          data={known.map((id) => ({ value: id, label: `As at ${id}` }))}
          value={integration}
          onChange={setIntegration}
          error={at.integration}
          clearable
          clearButtonProps={{ 'aria-label': 'Passcodes of an application' }}
        />
        <ProblemAlert error={rest} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={send.isPending}>
            Cancel
          </Button>
          <Button type="submit" loading={send.isPending}>
            Invite
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
