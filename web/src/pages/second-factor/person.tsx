/** Who a user is: the name, the address, other names and groups, and when they were last let in. */
import { Badge, Button, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { Pencil } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { api, ask } from '@/api/client';
import { FormModal } from '@/components/form-modal';
import { Time } from '@/components/time';
import { useSession } from '@/session';
import { PersonFields, trimmed } from './person-fields';
import { changed, put } from './queries';
import { Section } from './section';
import type { User } from './words';

export function Person({ user }: { user: User }) {
  const { may } = useSession();
  const [opened, dialog] = useDisclosure();
  return (
    <Section
      title="Person"
      actions={
        may('admin') && (
          <Button
            size="sm"
            variant="default"
            onClick={dialog.open}
            leftSection={<Pencil size={16} aria-hidden />}
          >
            Change
          </Button>
        )
      }
    >
      <Stack gap={4}>
        <Line of="Full name">{user.full_name || 'not said'}</Line>
        <Line of="E-mail">{user.email || 'none'}</Line>
        <Line of="Also logs in as">{user.aliases.join(', ') || 'nothing else'}</Line>
        <Line of="Groups">
          {user.groups.length === 0
            ? 'none'
            : user.groups.map((group) => (
                <Badge key={group} variant="light" tt="none" mr={4}>
                  {group}
                </Badge>
              ))}
        </Line>
        {user.source && <Line of="Comes from">{user.source}</Line>}
        <Line of="Last let in">{user.last_login ? <Time ms={user.last_login * 1_000} /> : 'never yet'}</Line>
      </Stack>
      <Edit user={user} opened={opened} close={dialog.close} />
    </Section>
  );
}

function Line({ of, children }: { of: string; children: ReactNode }) {
  return (
    <Text size="sm" component="div" className="wrap">
      <Text span size="sm" c="dimmed">
        {of}:
      </Text>{' '}
      {children}
    </Text>
  );
}

function Edit({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const [person, setPerson] = useState(() => ({ ...user }));
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is typed is not replaced by what is read again
  useEffect(() => {
    if (!opened) return;
    setPerson({ ...user });
  }, [opened]);
  const save = async () => {
    const path = { name: user.name };
    put(
      client,
      await ask(api.PATCH('/api/v1/second-factor/users/{name}', { params: { path }, body: trimmed(person) })),
    );
    void changed(client);
    return true;
  };
  return (
    <FormModal opened={opened} close={close} title={`Who ${user.name} is`} submit="Save" send={save}>
      <PersonFields value={person} onChange={(next) => setPerson({ ...person, ...next })} />
      {user.source && (
        <Text size="sm" c="dimmed">
          Aliases and groups that come from {user.source} stay.
        </Text>
      )}
    </FormModal>
  );
}
