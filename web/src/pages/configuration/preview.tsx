/** What a text would change, then doing it, then what the nodes said. */
import { Alert, Button, Group, List, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { configurationChanged } from '@/api/queries';
import { Diff } from '@/components/diff';
import { Loaded } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Verdicts } from '@/components/verdicts';
import { bring, type Deed, type Done, isChanged } from './source';

export function Preview({
  deed,
  onClose,
  onDone,
  onChanged,
}: {
  /** What is tried; null: nothing is. */
  deed: Deed | null;
  onClose: () => void;
  /** It is in, and the modal closes. */
  onDone: () => void;
  /** What it is based on is not there any more. */
  onChanged: () => void;
}) {
  const [done, setDone] = useState<Done | null>(null);
  const close = () => {
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
        deed && <Trial deed={deed} onClose={onClose} onDone={setDone} onChanged={onChanged} />
      )}
    </Modal>
  );
}

function Trial({
  deed,
  onClose,
  onDone,
  onChanged,
}: {
  deed: Deed;
  onClose: () => void;
  onDone: (done: Done) => void;
  onChanged: () => void;
}) {
  const client = useQueryClient();
  const [message, setMessage] = useState('');
  const [busy, setBusy] = useState(false);
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
      await configurationChanged(client);
    } catch (failure) {
      if (isChanged(failure)) onChanged();
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Loaded query={query}>
      {(tried) => {
        const nothing = tried.differences.length === 0 && deed.source.kind === 'database';
        return (
          <Stack gap="sm">
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
            <ProblemAlert error={error} />
            {deed.source.kind === 'database' && !nothing && (
              <TextInput
                label="Why"
                description="Is kept with the revision, and in the audit."
                value={message}
                onChange={(event) => setMessage(event.currentTarget.value)}
                maxLength={200}
              />
            )}
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={onClose} disabled={busy}>
                Back to the text
              </Button>
              <Button
                onClick={() => apply(tried.basedOn)}
                loading={busy}
                disabled={busy || nothing}
                data-autofocus
              >
                Apply
              </Button>
            </Group>
          </Stack>
        );
      }}
    </Loaded>
  );
}

function Applied({ done, onClose }: { done: Done; onClose: () => void }) {
  const { reload, revision } = done;
  const refused = reload && reload.result !== 'applied' && reload.result !== 'unchanged';
  return (
    <Stack gap="sm">
      {refused && (
        <Alert color="red" title="It is written, and not served" role="alert">
          <Text size="sm">The gateway could not take it: what was served before is served on.</Text>
          <List size="sm">
            {reload.diagnostics.map((one) => (
              <List.Item key={`${one.line} ${one.message}`} className="wrap">
                {one.line ? `Line ${one.line}: ` : ''}
                {one.message}
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      {revision !== null ? (
        <Verdicts revision={revision} />
      ) : (
        !refused && <Text size="sm">It is written. What is served stays the same.</Text>
      )}
      <Group justify="flex-end">
        <Button onClick={onClose} data-autofocus>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
