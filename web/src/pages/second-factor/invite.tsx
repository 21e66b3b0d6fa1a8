import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { Time } from '@/components/time';
import { LinkOnce } from './once';
import type { User } from './words';

const LIVES = [
  { value: '3600', label: 'an hour' },
  { value: '86400', label: 'a day' },
  { value: '604800', label: 'a week' },
  { value: '2592000', label: '30 days' },
];

/** A link with which the user sets up a device of their own. */
export function Invite({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const [made, setMade] = useState<Schemas['Enrollment'] | null>(null);
  const [life, setLife] = useState('86400');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);

  const shut = () => {
    close();
    setMade(null);
    setError(null);
  };
  const create = async () => {
    setBusy(true);
    setError(null);
    try {
      const answer = await ask(
        api.POST('/api/v1/second-factor/users/{name}/enroll', {
          params: { path: { name: user.name } },
          body: { valid_seconds: Number(life) },
        }),
      );
      setMade(answer as Schemas['Enrollment']);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal
      opened={opened}
      onClose={shut}
      size="lg"
      title={made ? `Invitation for ${user.name}, shown once` : `Invite ${user.name} to set up a device`}
      closeOnClickOutside={!made}
      closeOnEscape={!made}
      withCloseButton={!made}
      closeButtonProps={{ 'aria-label': 'Close' }}
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
            warning={`Whoever opens it adds a device of their own to ${user.name}. Hand it over so that nobody else sees it.`}
          />
          <Text size="sm">
            Good until <Time ms={made.expires_at * 1_000} />.
          </Text>
          <Group justify="flex-end">
            <Button onClick={shut} data-autofocus>
              Done
            </Button>
          </Group>
        </Stack>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void create();
          }}
        >
          <Stack gap="sm">
            <Text size="sm">
              {user.name} gets a link to a page on which a phone or an authenticator app is set up
              {user.devices.length > 0 && ', beside the devices that are there'}. You pass the link on.
            </Text>
            <Select
              label="Good for"
              data={LIVES}
              value={life}
              onChange={(value) => value && setLife(value)}
              allowDeselect={false}
              data-autofocus
            />
            <ProblemAlert error={error} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={shut} disabled={busy}>
                Cancel
              </Button>
              <Button type="submit" loading={busy}>
                Make the invitation
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
