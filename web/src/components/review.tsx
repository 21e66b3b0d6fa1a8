/**
 * How a change of the configuration is made here: its writes go into a draft, what they come to is shown,
 * and then it is applied as one revision, kept for later, or dropped. Nothing is served before it was seen.
 */
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { configurationChanged } from '@/api/queries';
import { useSession } from '@/session';
import { Diff } from './diff';
import { Focused } from './focused';
import { Loaded } from './page';
import { ProblemAlert } from './problem';
import { Verdicts } from './verdicts';

export interface Change {
  /** What it is for: the message of the revision, unless another is written. */
  message: string;
  /** Writes into the draft; what it throws, whoever began gets, and the draft is dropped. */
  writes: (draft: number) => Promise<unknown>;
  /** Called when a revision was made, before its verdicts are in. */
  applied?: (revision: number) => void;
  /** Called when the draft was kept for later. */
  kept?: (draft: number) => void;
}

type Begin = (change: Change) => Promise<void>;
const Context = createContext<Begin | null>(null);

/** Begins a change: rejects with the `ApiError` of a write that is refused, so that a form can show it. */
export function useReview(): Begin {
  const begin = useContext(Context);
  if (!begin) throw new Error('ReviewProvider is missing');
  return begin;
}

export function draftQuery(id: number) {
  return {
    queryKey: ['drafts', id] as const,
    queryFn: () => ask(api.GET('/api/v1/drafts/{id}', { params: { path: { id: String(id) } } })),
  };
}

async function drop(id: number): Promise<void> {
  await ask(api.DELETE('/api/v1/drafts/{id}', { params: { path: { id: String(id) } } }));
}

export function ReviewProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [open, setOpen] = useState<{ draft: number; change: Change } | null>(null);
  const [working, setWorking] = useState(false);
  const [made, setMade] = useState<number | null>(null);

  const begin = useCallback<Begin>(
    async (change) => {
      const made = await ask(api.POST('/api/v1/drafts', { body: { message: change.message } }));
      if (!('id' in made)) throw new Error('the draft was only tried');
      try {
        await change.writes(made.id);
      } catch (error) {
        // The fault of the write is what matters: a draft that stays is in the list of drafts.
        await drop(made.id).catch(() => undefined);
        throw error;
      }
      await client.invalidateQueries({ queryKey: ['drafts'] });
      setMade(null);
      setOpen({ draft: made.id, change });
    },
    [client],
  );

  const close = () => setOpen(null);
  // Neither applied nor kept: who began has still what was typed, so no draft of it is left behind.
  const dismiss = () => {
    if (!open || working) return;
    close();
    if (made !== null) return;
    void drop(open.draft)
      .catch(() => undefined)
      .then(() => client.invalidateQueries({ queryKey: ['drafts'] }));
  };
  return (
    <Context.Provider value={begin}>
      {children}
      <Modal
        opened={open !== null}
        onClose={dismiss}
        size="xl"
        title={made === null ? 'Review the change' : `Revision ${made} is made`}
        closeOnClickOutside={false}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {open && (
          <DraftReview
            key={open.draft}
            id={open.draft}
            working={setWorking}
            applied={(revision) => {
              setMade(revision);
              open.change.applied?.(revision);
            }}
            kept={() => {
              open.change.kept?.(open.draft);
              close();
            }}
            ofForm={open.change.kept !== undefined}
            cancel={dismiss}
            closed={close}
          />
        )}
      </Modal>
    </Context.Provider>
  );
}

/** A draft: what it would change, and what can be done with it. */
export function DraftReview({
  id,
  working,
  applied,
  kept,
  cancel,
  ofForm = false,
  closed,
}: {
  id: number;
  /** Told whether something is being done that is to be waited for. */
  working?: ((working: boolean) => void) | undefined;
  applied?: ((revision: number) => void) | undefined;
  /** Where it may be left for later. */
  kept?: (() => void) | undefined;
  /** Goes back to what it was made with, in a dialog. */
  cancel?: (() => void) | undefined;
  /** Whether what it was made with is a form, which still has it. */
  ofForm?: boolean;
  closed: () => void;
}) {
  const allowed = useSession().may('admin');
  const client = useQueryClient();
  const [revision, setRevision] = useState<number | null>(null);
  const query = useQuery({
    ...draftQuery(id),
    enabled: revision === null,
    gcTime: 0,
    staleTime: 0,
    retry: false,
  });
  const [message, setMessage] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => working?.(busy), [working, busy]);
  // Asked again by then, the draft would be one that there is not any more.
  const changed = () => void setTimeout(() => void configurationChanged(client));

  const apply = async () => {
    if (!query.data) return;
    setBusy(true);
    setError(null);
    try {
      const done = await ask(
        api.POST('/api/v1/drafts/{id}/apply', {
          params: {
            path: { id: String(id) },
            query: { message: message ?? query.data.message },
            // What was shown is done, or nothing.
            header: { 'If-Match': query.data.based_on },
          },
        }),
      );
      if (done.revision) {
        setRevision(done.revision.number);
        applied?.(done.revision.number);
      } else {
        notifications.show({ message: 'Nothing changes: the configuration already says this.' });
        closed();
      }
      changed();
    } catch (failure) {
      setError(failure);
      if (failure instanceof ApiError && failure.kind === 'changed') await query.refetch();
    } finally {
      setBusy(false);
    }
  };

  if (revision !== null) {
    return (
      <Stack gap="sm">
        <Verdicts revision={revision} />
        <Group justify="flex-end">
          {/* What had the focus is gone. */}
          <Button onClick={closed} autoFocus>
            Done
          </Button>
        </Group>
      </Stack>
    );
  }
  const Around = cancel ? Focused : OnPage;
  return (
    <Loaded query={query}>
      {(draft) => (
        <Around>
          <Diff differences={draft.differences} />
          {draft.problem && (
            <ProblemAlert
              title="It cannot be applied as it is"
              error={new ApiError(draft.problem.status, draft.problem, null)}
            />
          )}
          {error instanceof ApiError && error.kind === 'changed' ? (
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
          {allowed && !draft.problem && draft.differences.length > 0 && (
            <TextInput
              label="Why"
              description="Kept with the revision and in the audit."
              value={message ?? draft.message}
              onChange={(event) => setMessage(event.currentTarget.value)}
              maxLength={200}
            />
          )}
          {allowed && (
            <Group justify="flex-end" gap="xs">
              {ofForm && (
                <Text size="sm" c="dimmed" flex={1} miw={200}>
                  Cancel goes back to the form: what you changed stays in it.
                </Text>
              )}
              {cancel && (
                <Button variant="default" onClick={cancel} disabled={busy}>
                  Cancel
                </Button>
              )}
              {kept && draft.differences.length > 0 && (
                <Button variant="default" onClick={kept} disabled={busy}>
                  Keep as draft
                </Button>
              )}
              <Button
                onClick={apply}
                loading={busy}
                disabled={busy || draft.differences.length === 0 || !!draft.problem}
              >
                Apply
              </Button>
            </Group>
          )}
        </Around>
      )}
    </Loaded>
  );
}

/** On a page nothing takes the focus by itself. */
function OnPage({ children }: { children: ReactNode }) {
  return <Stack gap="sm">{children}</Stack>;
}
