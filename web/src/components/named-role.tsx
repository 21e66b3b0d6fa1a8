import { Button, Group, Stack, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { type Faults, faultsOf } from '@/lib/faults';
import type { Role } from '@/session';
import { ProblemAlert } from './problem';
import { RoleChoice } from './role';

/** What is asked of something with a name and a role: whoever is invited, and a token. */
export function NamedRoleForm({
  about,
  extra,
  children,
  submit,
  ready = true,
  busy,
  error,
  send,
  cancel,
}: {
  /** What the name is for. */
  about: string;
  /** The name of the field that `children` shows. */
  extra: string;
  /** The field that only this thing has, given what is wrong with it. */
  children: (fault: string | undefined) => ReactNode;
  /** The verb: `Invite`. */
  submit: string;
  ready?: boolean;
  busy: boolean;
  error: unknown;
  send: (wanted: { name: string; role: Role }) => void;
  cancel: () => void;
}) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const { at, rest }: { at: Faults; rest: unknown } = faultsOf(error, (path) =>
    ['name', 'role', extra].includes(path),
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send({ name: name.trim(), role });
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          description={about}
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
        {children(at[extra])}
        <ProblemAlert error={rest} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={!ready}>
            {submit}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
