import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from 'react';
import { ProblemAlert } from './problem';

export interface Question {
  /** Names the thing: `Remove node edge-2?` */
  title: string;
  /** What follows, and whether it can be undone. */
  body: ReactNode;
  /** The verb and the thing: `Remove edge-2`. */
  confirm: string;
  danger?: boolean;
  /** To be typed first, for what cannot be undone. */
  typed?: string;
  /** Done before the question closes; a failure is shown in it. */
  action: () => Promise<unknown>;
}

const Context = createContext<((question: Question) => void) | null>(null);

/** When a dialog that closed has given the focus back, in milliseconds. */
const GIVEN_BACK = 50;

/** Asks before something is done. While one question is open, another is not asked in its place. */
export function useConfirm(): (question: Question) => void {
  const ask = useContext(Context);
  if (!ask) throw new Error('ConfirmProvider is missing');
  return ask;
}

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question | null>(null);
  const [opened, setOpened] = useState(false);
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  // At once, where the state would come with the next drawing.
  const open = useRef(false);
  const ask = useCallback((next: Question) => {
    if (open.current) return;
    open.current = true;
    setQuestion(next);
    setTyped('');
    setError(null);
    setOpened(true);
  }, []);
  const close = () => {
    open.current = false;
    setOpened(false);
  };

  // Often what asked is gone with what it was about: then the page has the focus, and not nothing.
  const asked = question !== null;
  useEffect(() => {
    if (opened || !asked) return;
    const timer = setTimeout(() => {
      if (document.activeElement === document.body)
        document.getElementById('main')?.focus({ preventScroll: true });
    }, GIVEN_BACK);
    return () => clearTimeout(timer);
  }, [opened, asked]);

  const run = async () => {
    if (!question || busy) return;
    setBusy(true);
    setError(null);
    try {
      await question.action();
      close();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Context.Provider value={ask}>
      {children}
      <Modal
        opened={opened}
        onClose={() => !busy && close()}
        title={question?.title}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run();
          }}
        >
          <Stack gap="sm">
            <Text size="sm" component="div" className="wrap">
              {question?.body}
            </Text>
            {question?.typed && (
              <TextInput
                label={`Type ${question.typed} to go on`}
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                data-autofocus
                autoComplete="off"
              />
            )}
            <ProblemAlert error={error} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={close} disabled={busy}>
                Cancel
              </Button>
              <Button
                type="submit"
                color={question?.danger ? 'red.9' : undefined}
                loading={busy}
                disabled={question?.typed !== undefined && typed !== question.typed}
              >
                {question?.confirm}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </Context.Provider>
  );
}
