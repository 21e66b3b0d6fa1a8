import { SimpleGrid, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, ask } from '@/api/client';
import { FormModal } from '@/components/form-modal';
import { useKept } from '@/lib/kept';
import { changed } from './queries';
import type { Kind } from './words';

/** A generator of passcodes that is somebody's. */
export interface Generator {
  user: string;
  id: string;
  kind: Kind;
  /** What it is called: a name, or a serial number. */
  name: string;
}

/** Finds a generator that has run away from the service, by two passcodes in a row; open while there is one. */
export function Resync({ generator, close }: { generator: Generator | null; close: () => void }) {
  const client = useQueryClient();
  const [first, setFirst] = useState('');
  const [second, setSecond] = useState('');
  const kept = useKept(generator);
  useEffect(() => {
    if (!generator) return;
    setFirst('');
    setSecond('');
  }, [generator]);
  const find = async () => {
    if (!kept) return false;
    const path = { name: kept.user, id: kept.id };
    await ask(
      api.POST('/api/v1/second-factor/users/{name}/devices/{id}/resync', {
        params: { path },
        body: { first: digits(first), second: digits(second) },
      }),
    );
    await changed(client);
    notifications.show({ message: `${kept.name} of ${kept.user} is found: its next passcode lets in.` });
    return true;
  };
  const field = (label: string, value: string, set: (text: string) => void) => (
    <TextInput
      label={label}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
      inputMode="numeric"
      autoComplete="off"
      spellCheck={false}
    />
  );
  return (
    <FormModal
      opened={generator !== null}
      close={close}
      title={kept ? `Find ${kept.name} of ${kept.user} again` : ''}
      submit="Find it again"
      ready={digits(first) !== '' && digits(second) !== ''}
      asked={`${first} ${second}`}
      send={find}
    >
      <Text size="sm">
        {kept?.kind === 'hotp'
          ? 'Its button was pressed too often without a login. Press it twice, and type what it shows each time: it is looked for up to 1,000 passcodes ahead.'
          : 'Its clock runs wrong. Type what it shows, wait for the next, and type that: it is looked for up to two hours off.'}{' '}
        Passcodes that were shown before are good no more.
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        {field('First passcode', first, setFirst)}
        {field('The next one', second, setSecond)}
      </SimpleGrid>
    </FormModal>
  );
}

/** As it is shown in groups, so it is typed. */
const digits = (text: string) => text.replace(/\s+/g, '');
