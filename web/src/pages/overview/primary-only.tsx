/** What is let in on the password alone: shown as an alarm, ended, and started with its two steps. */
import { Alert, Button, Group, List, Modal, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { LockOpen } from 'lucide-react';
import { useEffect, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { ProblemAlert } from '@/components/problem';
import { Time, useNow } from '@/components/time';
import { faultsOf } from '@/lib/faults';
import { seconds } from '@/lib/format';
import { useSession } from '@/session';

type Grant = Schemas['PrimaryOnlyView'];
type Asked = Extract<Schemas['PrimaryOnlyAnswer'], { type: 'confirm' }>;

const whereOf = (grant: Grant) => grant.integration ?? 'all integrations';

async function changed(client: ReturnType<typeof useQueryClient>) {
  await Promise.all([
    client.invalidateQueries({ queryKey: ['primary-only'] }),
    client.invalidateQueries({ queryKey: ['nodes'] }),
  ]);
}

/** One alarm for each grant, with how it is ended. */
export function PrimaryOnlyAlarms({ grants }: { grants: readonly Grant[] }) {
  const confirm = useConfirm();
  const client = useQueryClient();
  const { may } = useSession();
  const now = useNow(1_000);
  return grants.map((grant) => (
    <Alert
      key={grant.integration ?? ''}
      color="red"
      icon={<LockOpen size={20} aria-hidden />}
      title={`Primary only: the second factor is not asked for at ${whereOf(grant)}`}
      role="alert"
    >
      <Stack gap={6}>
        <Text size="sm" className="wrap">
          Whoever has a password gets in
          {grant.opens.length > 0 && ` at ${grant.opens.join(', ')}`}, until <Time ms={grant.until_ms} />
          {/* Not for ears: it would be read out each second. */}
          <span aria-hidden> ({seconds((grant.until_ms - now) / 1_000)} from now)</span>. Granted by{' '}
          {grant.by}: {grant.reason}
        </Text>
        {(grant.stays_closed?.length ?? 0) > 0 && (
          <Text size="sm" className="wrap">
            Stays closed, since nobody checks a password there: {grant.stays_closed?.join(', ')}.
          </Text>
        )}
        {may('operator') && (
          <Button
            size="compact-md"
            color="red.9"
            style={{ alignSelf: 'flex-start' }}
            onClick={() =>
              confirm({
                title: `End primary-only at ${whereOf(grant)}?`,
                body: grant.integration
                  ? 'From then on the second factor is asked for again there, unless a grant for all is in force.'
                  : 'This ends every grant. From then on the second factor is asked for again everywhere.',
                confirm: 'Ask for the second factor again',
                action: async () => {
                  await ask(
                    api.DELETE('/api/v1/primary-only', {
                      params: { query: grant.integration ? { integration: grant.integration } : {} },
                    }),
                  );
                  await changed(client);
                  notifications.show({ message: `Primary-only at ${whereOf(grant)} has ended.` });
                },
              })
            }
          >
            End it now
          </Button>
        )}
      </Stack>
    </Alert>
  ));
}

const SPANS = [
  { value: '900', label: '15 minutes' },
  { value: '1800', label: '30 minutes' },
  { value: '3600', label: '1 hour' },
  { value: '7200', label: '2 hours' },
  { value: '28800', label: '8 hours' },
  { value: '86400', label: '24 hours' },
];
const ALL = '';
/** What is typed to confirm it, as at the command line. */
const WORD = 'primary-only';

/** Starts a grant: what is wanted, then what that opens and until when, confirmed by typing. */
export function StartPrimaryOnly({ opened, close }: { opened: boolean; close: () => void }) {
  return (
    <Modal
      opened={opened}
      onClose={close}
      title="Let logins pass without the second factor"
      closeButtonProps={{ 'aria-label': 'Close' }}
      size="lg"
    >
      <Steps close={close} />
    </Modal>
  );
}

function Steps({ close }: { close: () => void }) {
  const client = useQueryClient();
  const integrations = useQuery(integrationsQuery);
  const [where, setWhere] = useState<string | null>(null);
  const [span, setSpan] = useState('1800');
  const [reason, setReason] = useState('');
  const [asked, setAsked] = useState<Asked | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [late, setLate] = useState(false);

  const send = async (confirm: string | null) => {
    const place = where ? { all: false, integration: where } : { all: true };
    setBusy(true);
    setError(null);
    setLate(false);
    try {
      const answer = await ask(
        api.POST('/api/v1/primary-only', {
          body: { ...place, by: '', seconds: Number(span), reason: reason.trim(), confirm },
        }),
      );
      if (answer.type === 'confirm') setAsked(answer);
      else if (answer.type === 'started') {
        await changed(client);
        notifications.show({
          message: `Primary-only is in force at ${whereOf(answer.grant)}.`,
          color: 'red',
        });
        close();
      }
    } catch (failure) {
      setError(failure);
      if (confirm !== null) setAsked(null);
    } finally {
      setBusy(false);
    }
  };

  if (asked) {
    return (
      <Confirm
        asked={asked}
        busy={busy}
        back={() => setAsked(null)}
        late={() => {
          setAsked(null);
          setLate(true);
        }}
        go={() => void send(asked.token)}
      />
    );
  }
  const { at, rest } = faultsOf(error, (path) => ['integration', 'seconds', 'reason'].includes(path));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void send(null);
      }}
    >
      <Stack gap="sm">
        <Text size="sm">
          For when the second factor cannot be reached: anybody the primary accepts is let in, for a time that
          ends by itself. Wrong passwords are still rejected.
        </Text>
        <NativeSelect
          label="Where"
          value={where ?? 'none'}
          onChange={(event) =>
            setWhere(event.currentTarget.value === 'none' ? null : event.currentTarget.value)
          }
          data={[
            { value: 'none', label: 'Choose…' },
            ...(integrations.data?.items.map(({ id }) => ({ value: id, label: id })) ?? []),
            { value: ALL, label: 'All integrations whose primary checks a password' },
          ]}
          error={at.integration}
        />
        <NativeSelect
          label="For how long"
          description="Keep it short: a new grant can replace this one."
          value={span}
          onChange={(event) => setSpan(event.currentTarget.value)}
          data={SPANS}
          error={at.seconds}
        />
        <TextInput
          label="Why"
          description="Shown with it, and kept in the audit and in the record of each login."
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          maxLength={500}
          error={at.reason}
        />
        {late && (
          <Alert color="orange" role="alert">
            <Text size="sm">The time to confirm ran out, and nothing was done. Look at it again.</Text>
          </Alert>
        )}
        <ProblemAlert error={rest} />
        <ProblemAlert error={integrations.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={where === null || reason.trim() === ''}>
            See what that opens
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Confirm({
  asked,
  busy,
  back,
  late,
  go,
}: {
  asked: Asked;
  busy: boolean;
  back: () => void;
  /** The time is over. */
  late: () => void;
  go: () => void;
}) {
  const { would, replaces } = asked;
  const [typed, setTyped] = useState('');
  const [ends] = useState(() => Date.now() + asked.good_for_seconds * 1_000);
  const left = Math.ceil((ends - useNow(1_000)) / 1_000);
  useEffect(() => {
    if (left <= 0 && !busy) late();
  }, [left, busy, late]);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (typed === WORD) go();
      }}
    >
      <Stack gap="sm">
        <Alert color="red" icon={<LockOpen size={20} aria-hidden />} title="Nothing has been done yet">
          <Text size="sm" className="wrap">
            Until <Time ms={would.until_ms} /> whoever has a password gets in <b>without the second factor</b>{' '}
            at:
          </Text>
          <List size="sm">
            {would.opens.map((id) => (
              <List.Item key={id} className="wrap">
                {id}
              </List.Item>
            ))}
          </List>
          {(would.stays_closed?.length ?? 0) > 0 && (
            <Text size="sm" className="wrap" mt={4}>
              Stays closed, since nobody checks a password there: {would.stays_closed?.join(', ')}.
            </Text>
          )}
          {replaces && (
            <Text size="sm" className="wrap" mt={4}>
              It takes the place of the grant until <Time ms={replaces.until_ms} /> by {replaces.by}.
            </Text>
          )}
        </Alert>
        <TextInput
          label={`Type ${WORD} to go on`}
          description={`Within ${seconds(Math.max(0, left))}.`}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
          data-autofocus
          autoFocus
        />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={back} disabled={busy}>
            Back
          </Button>
          <Button type="submit" color="red.9" loading={busy} disabled={typed !== WORD}>
            Let them in on the password
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
