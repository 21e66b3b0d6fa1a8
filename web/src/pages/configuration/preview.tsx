/** What a text would change, then doing it, then what the nodes said. */
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError } from '@/api/client';
import { configurationChanged } from '@/api/queries';
import { Diff } from '@/components/diff';
import { Focused } from '@/components/focused';
import { Loaded } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Verdicts } from '@/components/verdicts';
import { NotServed } from './not-served';
import { bring, type Deed, type Done, isChanged, isRefused } from './source';

export function Preview({
  deed,
  onClose,
  onApplied,
  onDone,
  onChanged,
}: {
  /** What is tried; null: nothing is. */
  deed: Deed | null;
  onClose: () => void;
  /** It is in, and what the nodes say is shown. */
  onApplied: () => void;
  /** It is in, and the modal closes. */
  onDone: () => void;
  /** What it is based on is not there any more. */
  onChanged: () => void;
}) {
  const [done, setDone] = useState<Done | null>(null);
  const [busy, setBusy] = useState(false);
  const close = () => {
    if (busy) return;
    if (done) onDone();
    else onClose();
    setDone(null);
  };
  return (
    <Modal
      opened={deed !== null}
      onClose={close}
      size="xl"
      title={done ? 'Applied' : 'What would change'}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {done ? (
        <Applied done={done} onClose={close} />
      ) : (
        deed && (
          <Trial
            deed={deed}
            busy={busy}
            setBusy={setBusy}
            onClose={close}
            onDone={(made) => {
              setDone(made);
              onApplied();
            }}
            onChanged={onChanged}
          />
        )
      )}
    </Modal>
  );
}

function Trial({
  deed,
  busy,
  setBusy,
  onClose,
  onDone,
  onChanged,
}: {
  deed: Deed;
  /** While it is applied: nobody goes away without what came of it. */
  busy: boolean;
  setBusy: (busy: boolean) => void;
  onClose: () => void;
  onDone: (done: Done) => void;
  onChanged: () => void;
}) {
  const client = useQueryClient();
  const [message, setMessage] = useState('');
  const [error, setError] = useState<unknown>(null);
  // One opening of the preview is one question: the text is no part of the key.
  const [opening] = useState(() => crypto.randomUUID());
  const query = useQuery({
    queryKey: ['preview', opening],
    queryFn: async () => {
      try {
        // What is added is not based on the text that was shown.
        return await bring(deed.how === 'merge' ? { ...deed, tag: null } : deed, true);
      } catch (failure) {
        if (isChanged(failure)) onChanged();
        throw failure;
      }
    },
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
  });
  const apply = async (basedOn: string | null) => {
    setBusy(true);
    setError(null);
    try {
      onDone(await bring({ ...deed, tag: basedOn }, false, message));
      void configurationChanged(client);
    } catch (failure) {
      setError(failure);
      if (!isChanged(failure)) return;
      // What is added is tried again on top of what there is now; else both texts are compared.
      if (deed.how === 'merge') await query.refetch();
      else onChanged();
    } finally {
      setBusy(false);
    }
  };
  // A fault of the text stays one, however often it is tried.
  if (query.error instanceof ApiError && query.error.kind === 'invalid' && query.data === undefined) {
    return (
      <Focused>
        <ProblemAlert error={query.error} title="The text has faults" />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Back to the text
          </Button>
        </Group>
      </Focused>
    );
  }
  return (
    <Loaded query={query}>
      {(tried) => {
        const nothing = tried.differences.length === 0 && deed.source.kind === 'database';
        return (
          <Focused>
            {deed.source.kind === 'file' && (
              <Text size="sm" className="wrap">
                Applying writes the text into {deed.source.path}, comments too.
                {tried.differences.length === 0 && ' What is served stays the same.'}
              </Text>
            )}
            <Diff differences={tried.differences} />
            {tried.found.unused_files && tried.found.unused_files.length > 0 && (
              <Alert color="orange" title="Files that nothing names">
                <Text size="sm" className="wrap">
                  {tried.found.unused_files.join(', ')}
                </Text>
              </Alert>
            )}
            {isChanged(error) ? (
              <Alert
                color="orange"
                title="Somebody else has changed the configuration in the meantime"
                role="alert"
              >
                <Text size="sm">
                  The changes shown above have been updated. Look at them again, then apply.
                </Text>
              </Alert>
            ) : (
              <ProblemAlert error={error} />
            )}
            {deed.source.kind === 'database' && !nothing && (
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
                Back to the text
              </Button>
              <Button onClick={() => apply(tried.basedOn)} loading={busy} disabled={busy || nothing}>
                Apply
              </Button>
            </Group>
          </Focused>
        );
      }}
    </Loaded>
  );
}

function Applied({ done, onClose }: { done: Done; onClose: () => void }) {
  const { reload, revision } = done;
  return (
    <Stack gap="sm">
      <NotServed reload={reload} />
      {revision !== null ? (
        <Verdicts revision={revision} />
      ) : (
        !isRefused(reload) && <Text size="sm">It is written. What is served stays the same.</Text>
      )}
      <Group justify="flex-end">
        <Button onClick={onClose} autoFocus>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
