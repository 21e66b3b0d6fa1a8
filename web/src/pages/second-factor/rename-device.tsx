import { TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, ask } from '@/api/client';
import { FormModal } from '@/components/form-modal';
import { useKept } from '@/lib/kept';
import { changed } from './queries';
import { type Device, deviceName, type User } from './words';

/** Gives a device of a user another name; open while there is a device. */
export function RenameDevice({
  user,
  device,
  close,
}: {
  user: User;
  device: Device | null;
  close: () => void;
}) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const kept = useKept(device);
  useEffect(() => {
    if (device) setName(device.name);
  }, [device]);
  const save = async () => {
    if (!kept) return false;
    const path = { name: user.name, id: kept.id };
    const wanted = name.trim();
    await ask(
      api.PATCH('/api/v1/second-factor/users/{name}/devices/{id}', {
        params: { path },
        body: { name: wanted },
      }),
    );
    await changed(client);
    notifications.show({ message: `${deviceName(kept)} is ${deviceName({ ...kept, name: wanted })} now.` });
    return true;
  };
  return (
    <FormModal
      opened={device !== null}
      close={close}
      title={kept ? `Rename ${deviceName(kept)} of ${user.name}` : ''}
      submit="Rename it"
      asked={name}
      send={save}
    >
      <TextInput
        label="Name"
        description={`${user.name} sees it in the menu of a login. May be empty.`}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        maxLength={64}
        autoComplete="off"
        data-autofocus
      />
    </FormModal>
  );
}
