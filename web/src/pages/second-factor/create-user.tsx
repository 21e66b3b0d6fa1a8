import { Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { FormModal } from '@/components/form-modal';
import { isBarely, NOTHING, PersonFields, saidOf } from './person-fields';
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
  const [more, setMore] = useState(NOTHING);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    if (!opened) return;
    setName(suggested);
    setMore(NOTHING);
    setFault(null);
  }, [opened, suggested]);

  const create = async () => {
    const wanted = name.trim();
    setFault(wanted ? null : 'Type the name this person logs in with.');
    if (!wanted) return false;
    try {
      const made = await ask(
        api.POST('/api/v1/second-factor/users', { body: { name: wanted, ...saidOf(more) } }),
      );
      client.setQueryData(userQuery(wanted).queryKey, (made as Schemas['CreatedUser']).user);
      void changed(client);
      close();
      await navigate({ to: '/second-factor/users/$name', params: { name: wanted } });
      return true;
    } catch (failure) {
      if (failure instanceof ApiError && [400, 409, 422].includes(failure.status) && isBarely(more)) {
        setFault(failure.problem.errors?.[0]?.message ?? failure.problem.detail);
        return false;
      }
      throw failure;
    }
  };

  return (
    <FormModal opened={opened} close={close} title="Add a user" submit="Add the user" send={create}>
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
      <PersonFields value={more} onChange={setMore} />
      <Text size="sm" c="dimmed">
        A device comes next. Until there is one, a login is rejected with a link to enrol.
      </Text>
    </FormModal>
  );
}
