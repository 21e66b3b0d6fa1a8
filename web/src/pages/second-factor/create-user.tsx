import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { changed, userQuery } from './queries';

/** Makes a user, then shows them: there they get a device. */
export function CreateUser({
  opened,
  close,
  suggested = '',
}: {
  opened: boolean;
  close: () => void;
  suggested?: string;
}) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(suggested);
  const [fault, setFault] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!opened) return;
    setName(suggested);
    setFault(null);
    setError(null);
  }, [opened, suggested]);

  const create = async () => {
    const wanted = name.trim();
    setError(null);
    if (!wanted) {
      setFault('Type the name this person logs in with.');
      return;
    }
    setFault(null);
    setBusy(true);
    try {
      const made = await ask(api.POST('/api/v1/second-factor/users', { body: { name: wanted } }));
      client.setQueryData(userQuery(wanted).queryKey, (made as Schemas['CreatedUser']).user);
      void changed(client);
      close();
      await navigate({ to: '/second-factor/users/$name', params: { name: wanted } });
    } catch (failure) {
      if (failure instanceof ApiError && [400, 409, 422].includes(failure.status)) {
        setFault(failure.problem.errors?.[0]?.message ?? failure.problem.detail);
      } else setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal
      opened={opened}
      onClose={() => {
        if (!busy) close();
      }}
      title="Add a user"
      closeButtonProps={{ 'aria-label': 'Close', disabled: busy }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void create();
        }}
      >
        <Stack gap="sm">
          <TextInput
            label="Name"
            description="As the person types it when logging in. Letter case is ignored, and so are DOMAIN\ before it and @domain after it."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fault}
            required
            maxLength={256}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
          />
          <Text size="sm" c="dimmed">
            A device comes next. Until there is one, a login is rejected with a link to enrol.
          </Text>
          <ProblemAlert error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close} disabled={busy}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              Add the user
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
