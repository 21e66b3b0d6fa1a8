/** Going back to a revision: what would change now, then doing just that, then what the nodes said. */
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { aboutQuery, configurationChanged } from '@/api/queries';
import { Diff } from '@/components/diff';
import { Focused } from '@/components/focused';
import { Loaded } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Verdicts } from '@/components/verdicts';
import { NotServed } from '../configuration/not-served';
import { isRefused } from '../configuration/source';

function roll(number: number, dryRun: boolean, message: string, basedOn: string | null) {
  return ask(
    api.POST('/api/v1/revisions/{number}/rollback', {
      params: {
        path: { number },
        query: { dry_run: dryRun, ...(message === '' ? {} : { message }) },
        header: basedOn ? { 'If-Match': basedOn } : {},
      },
    }),
  );
}

export function Rollback({
  number,
  opened,
  onClose,
}: {
  number: number;
  opened: boolean;
  onClose: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState<Schemas['RolledBack'] | null>(null);
  const close = () => !busy && onClose();
  return (
    <Modal
      opened={opened}
      onClose={close}
      size="xl"
      onExitTransitionEnd={() => setDone(null)}
      title={done ? `Back to revision ${number}` : `Go back to revision ${number}?`}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Trial number={number} busy={busy} setBusy={setBusy} done={done} setDone={setDone} onClose={close} />
    </Modal>
  );
}

function Trial({
  number,
  busy,
  setBusy,
  done,
  setDone,
  onClose,
}: {
  number: number;
  /** While it is done: nobody goes away without what came of it. */
  busy: boolean;
  setBusy: (busy: boolean) => void;
  /** What came of it; null before. */
  done: Schemas['RolledBack'] | null;
  setDone: (done: Schemas['RolledBack']) => void;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const about = useQuery(aboutQuery);
  const [message, setMessage] = useState(`Back to revision ${number}`);
  const [error, setError] = useState<unknown>(null);
  const query = useQuery({
    queryKey: ['rollback', number],
    queryFn: () => roll(number, true, '', null),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
  });
  const file = about.data?.configuration.kind === 'file' ? about.data.configuration.path : null;
  const apply = async (basedOn: string) => {
    setBusy(true);
    setError(null);
    try {
      setDone(await roll(number, false, message, basedOn));
      void configurationChanged(client);
    } catch (failure) {
      setError(failure);
      // What is shown is what would change now.
      if (failure instanceof ApiError && failure.kind === 'changed') await query.refetch();
    } finally {
      setBusy(false);
    }
  };
  if (done) {
    const revision = done.revision?.number ?? (isRefused(done.reload) ? null : done.reload?.revision);
    return (
      <Stack gap="sm">
        <NotServed reload={done.reload} />
        {revision ? (
          <Verdicts revision={revision} />
        ) : (
          !isRefused(done.reload) && <Text size="sm">Nothing changed.</Text>
        )}
        <Group justify="flex-end">
          <Button onClick={onClose} autoFocus>
            Done
          </Button>
        </Group>
      </Stack>
    );
  }
  return (
    <Loaded query={query}>
      {(tried) => (
        <Focused>
          <Text size="sm" className="wrap">
            {file
              ? `The text of revision ${number} is written into ${file}, which is read again. Files that it names are taken as they are now.`
              : `What revision ${number} configured, secrets too, becomes a new revision. The revisions in between are kept: you can go back to those too.`}{' '}
            This is what would change now:
          </Text>
          <Diff differences={tried.differences} />
          {error instanceof ApiError && error.kind === 'changed' ? (
            <Alert
              color="orange"
              title="Somebody else has changed the configuration in the meantime"
              role="alert"
            >
              <Text size="sm">
                The changes shown above have been updated. Look at them again, then go back.
              </Text>
            </Alert>
          ) : (
            <ProblemAlert error={error} />
          )}
          {tried.differences.length > 0 && (
            <TextInput
              label="Why"
              description="Kept with the revision and in the audit."
              value={message}
              onChange={(event) => setMessage(event.currentTarget.value)}
              maxLength={200}
            />
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>
              Cancel
            </Button>
            <Button
              onClick={() => apply(tried.based_on)}
              loading={busy}
              disabled={busy || tried.differences.length === 0}
            >
              Go back to revision {number}
            </Button>
          </Group>
        </Focused>
      )}
    </Loaded>
  );
}
