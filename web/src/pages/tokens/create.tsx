import { NumberInput, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { CopyBlock } from '@/components/copy';
import { NamedRoleForm } from '@/components/named-role';
import { ShownOnce } from '@/components/once';
import { OnceDialog } from '@/components/once-dialog';
import { useNow } from '@/components/time';
import { localTime } from '@/lib/format';
import { tokensQuery } from './queries';
import { curlLine, DAY_SECONDS, MOST_DAYS } from './words';

type Wanted = Schemas['NewToken'];

/** Creates a token, then shows it in the one moment in which that can be done. */
export function CreateToken({ opened, close }: { opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const create = useMutation({
    mutationFn: (body: Wanted) => ask(api.POST('/api/v1/tokens', { body })),
    onSuccess: () => void client.invalidateQueries({ queryKey: tokensQuery.queryKey }),
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
      title={made ? `Token ${made.name}` : 'Create a token'}
    >
      {made ? (
        <ShownOnce
          label={`Token ${made.name}`}
          secret={made.token ?? ''}
          note="The gateway keeps only a hash of it. Store it where the program that uses it can read it, and nobody else."
          done={close}
        >
          <Text size="sm" fw={600}>
            Try it
          </Text>
          <CopyBlock
            text={curlLine(window.location.origin, made.token ?? '')}
            label="A request with this token"
          />
          {window.location.protocol === 'https:' && (
            <Text size="sm" c="dimmed">
              With the gateway’s self-signed certificate, curl also needs <code>--cacert admin.pem</code>.
            </Text>
          )}
        </ShownOnce>
      ) : (
        <Form busy={create.isPending} error={create.error} send={create.mutate} cancel={close} />
      )}
    </OnceDialog>
  );
}

function Form({
  busy,
  error,
  send,
  cancel,
}: {
  busy: boolean;
  error: unknown;
  send: (wanted: Wanted) => void;
  cancel: () => void;
}) {
  const now = useNow(60_000);
  const [days, setDays] = useState<number | string>(90);
  const seconds = Math.round(Number(days) * DAY_SECONDS);
  return (
    <NamedRoleForm
      about="To recognise it by: the program or person that gets it."
      extra="expires_in_seconds"
      submit="Create the token"
      ready={seconds > 0}
      busy={busy}
      error={error}
      send={(named) => send({ ...named, expires_in_seconds: seconds })}
      cancel={cancel}
    >
      {(fault) => (
        <NumberInput
          label="Days"
          description={
            seconds > 0 ? `It stops working at ${localTime(now + seconds * 1_000)}.` : 'How long it works.'
          }
          value={days}
          onChange={setDays}
          error={fault}
          min={1}
          max={MOST_DAYS}
          allowDecimal={false}
          allowNegative={false}
          required
        />
      )}
    </NamedRoleForm>
  );
}
