import { Button, Group, Select, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { FormEnd } from '@/components/form-modal';
import { OnceDialog } from '@/components/once-dialog';
import { Time } from '@/components/time';
import { LinkOnce } from './once';
import { LIVES, type User } from './words';

/** A link with which the user sets up a device of their own. */
export function Invite({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const [life, setLife] = useState('86400');
  const create = useMutation({
    mutationFn: async () => {
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/enroll', {
          params: { path: { name: user.name } },
          body: { valid_seconds: Number(life), by_email: false },
        }),
      );
      return answer as Schemas['Enrollment'];
    },
    gcTime: 0,
  });
  const made = create.data;

  return (
    <OnceDialog
      opened={opened}
      close={close}
      forget={create.reset}
      busy={create.isPending}
      made={made !== undefined}
      title={made ? `Invitation for ${user.name}, shown once` : `Invite ${user.name} to set up a device`}
    >
      {made ? (
        <Stack gap="md">
          <LinkOnce
            url={made.url}
            label="Address of the invitation"
            steps={[
              `${user.name} scans the picture with the phone’s camera, or opens the address.`,
              'The page sets up a phone for pushes or an authenticator app.',
              'It can be used once.',
            ]}
            warning={`Whoever opens it can add a device of their own to ${user.name}. Hand it over so that nobody else sees it.`}
          />
          <Text size="sm">
            Good until <Time ms={made.expires_at * 1_000} />.
          </Text>
          <Group justify="flex-end">
            <Button onClick={close}>I have it</Button>
          </Group>
        </Stack>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!create.isPending) create.mutate();
          }}
        >
          <Stack gap="sm">
            <Text size="sm">
              {user.name} gets a link to a page for setting up a phone or an authenticator app
              {user.devices.length > 0 && ', in addition to the devices already there'}. You pass the link on.
            </Text>
            <Select
              label="Good for"
              data={LIVES}
              value={life}
              onChange={(value) => value && setLife(value)}
              allowDeselect={false}
              data-autofocus
            />
            <FormEnd
              error={create.error}
              submit="Create the invitation"
              busy={create.isPending}
              cancel={close}
            />
          </Stack>
        </form>
      )}
    </OnceDialog>
  );
}
