/** Roles in words, to choose one, and what is shown to whom theirs does not suffice. */
import { Badge, Radio, Stack } from '@mantine/core';
import { Lock } from 'lucide-react';
import type { ReactNode } from 'react';
import { type Role, useSession } from '@/session';
import { Empty } from './empty';

export const ROLES: readonly { role: Role; may: string }[] = [
  { role: 'viewer', may: 'Sees everything but secrets.' },
  {
    role: 'operator',
    may: 'Also runs what is there: drains nodes, runs checks, tries logins, disables users and devices.',
  },
  { role: 'admin', may: 'Also changes the configuration, and decides who may do what.' },
];

const COLOUR: Record<Role, string> = { viewer: 'gray', operator: 'blue', admin: 'grape' };

export function RoleBadge({ role }: { role: Role }) {
  return (
    <Badge variant="light" color={COLOUR[role]} tt="none">
      {role}
    </Badge>
  );
}

/** One of the roles, each with what it allows. */
export function RoleChoice({
  value,
  onChange,
  error,
}: {
  value: Role;
  onChange: (role: Role) => void;
  error?: ReactNode;
}) {
  return (
    <Radio.Group
      label="Role"
      value={value}
      onChange={(chosen) => {
        const known = ROLES.find(({ role }) => role === chosen);
        if (known) onChange(known.role);
      }}
      error={error}
    >
      <Stack gap="xs" mt={6}>
        {ROLES.map(({ role, may }) => (
          <Radio key={role} value={role} label={role} description={may} />
        ))}
      </Stack>
    </Radio.Group>
  );
}

/** Stands in the place of what wants more than the reader's role. */
export function NeedsRole({ wanted, children }: { wanted: Role; children: ReactNode }) {
  const { role, caller } = useSession();
  return (
    <Empty icon={Lock} title={`This is for the role ${wanted}`}>
      {children} You are signed in as {caller}, with the role {role}. An administrator with the role admin can
      give you another.
    </Empty>
  );
}
