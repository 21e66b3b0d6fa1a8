import { Select, Text, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { FormModal } from '@/components/form-modal';
import { AT, bypassUntil, HOW_LONG, LASTING } from './bypass-words';
import { useDeeds } from './deeds';
import type { User } from './words';

/** Lets a user in without the second factor, for as long as is said. */
export function BypassForm({ user, opened, close }: { user: User; opened: boolean; close: () => void }) {
  const { setBypass } = useDeeds();
  const [long, setLong] = useState('86400');
  const [at, setAt] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    if (!opened) return;
    setLong('86400');
    setAt('');
    setFault(null);
  }, [opened]);
  const save = async () => {
    const wanted = bypassUntil(long, at, Date.now());
    setFault('fault' in wanted ? wanted.fault : null);
    if ('fault' in wanted) return false;
    await setBypass(user, wanted.until);
    return true;
  };
  return (
    <FormModal
      opened={opened}
      close={close}
      title={`Let ${user.name} in without the second factor?`}
      submit={`Set ${user.name} to bypass`}
      send={save}
    >
      <Text size="sm">
        Whoever has the password of {user.name} is let in meanwhile, at every application. For somebody who
        has lost their phone, bypass codes are safer.
      </Text>
      <Select
        label="For how long"
        data={HOW_LONG}
        value={long}
        onChange={(value) => value && setLong(value)}
        allowDeselect={false}
        data-autofocus
        {...(long === LASTING
          ? { description: 'It is easily forgotten: a time after which it is over by itself is better.' }
          : {})}
      />
      {long === AT && (
        <TextInput
          type="datetime-local"
          label="Until"
          description="In the time of this browser. Then the user is active again."
          value={at}
          onChange={(event) => setAt(event.currentTarget.value)}
          error={fault}
        />
      )}
    </FormModal>
  );
}
