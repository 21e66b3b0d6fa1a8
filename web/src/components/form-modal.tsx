/** Dialogs with a form, and how a form ends: what was refused, the way back, and the deed. */
import { Button, Group, Modal, Stack } from '@mantine/core';
import { type ReactNode, useEffect, useState } from 'react';
import { ProblemAlert } from './problem';

/** What was refused, the way back, and the deed. */
export function FormEnd({
  error,
  submit,
  ready = true,
  busy,
  cancel,
}: {
  error: unknown;
  /** The verb, and the thing: `Add the device`. */
  submit: ReactNode;
  /** Whether all is there that is needed. */
  ready?: boolean;
  busy: boolean;
  cancel: () => void;
}) {
  return (
    <>
      <ProblemAlert error={error} />
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={cancel} disabled={busy}>
          Cancel
        </Button>
        <Button type="submit" loading={busy} disabled={!ready}>
          {submit}
        </Button>
      </Group>
    </>
  );
}

/**
 * A dialog with a form. While it is sent it neither closes nor is sent again; what was refused is shown in
 * it, and what was typed stays.
 */
export function FormModal({
  opened,
  close,
  title,
  size = 'md',
  submit,
  ready = true,
  asked,
  send,
  children,
}: {
  opened: boolean;
  close: () => void;
  title: ReactNode;
  size?: 'md' | 'lg';
  submit: ReactNode;
  ready?: boolean;
  /** What the refusal was about: when it changes, the refusal is gone. */
  asked?: unknown;
  /** Whether it is done: then the dialog closes. What it throws is shown. */
  send: () => Promise<boolean>;
  children: ReactNode;
}) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another question has another answer
  useEffect(() => setError(null), [opened, asked]);

  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      if (await send()) close();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened={opened}
      onClose={() => {
        if (!busy) close();
      }}
      title={title}
      size={size}
      closeButtonProps={{ 'aria-label': 'Close', disabled: busy }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && ready) void go();
        }}
      >
        <Stack gap="sm">
          {children}
          <FormEnd error={error} submit={submit} ready={ready} busy={busy} cancel={close} />
        </Stack>
      </form>
    </Modal>
  );
}
