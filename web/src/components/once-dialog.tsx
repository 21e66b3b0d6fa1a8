import { Modal } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';

/**
 * A dialog in which something is made that is shown once. From the moment that it is asked for it does not
 * close by a slip, and what was made has the focus as soon as it is there.
 */
export function OnceDialog({
  opened,
  close,
  forget,
  busy,
  made,
  title,
  children,
}: {
  opened: boolean;
  close: () => void;
  /** Called when the dialog is gone: nothing keeps what was made. */
  forget: () => void;
  /** Whether it is being made. */
  busy: boolean;
  /** Whether it is there: then only a button of `children` closes. */
  made: boolean;
  title: string;
  children: ReactNode;
}) {
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // And not the button that closes: a second Enter would lose it.
    if (made) body.current?.focus();
  }, [made]);
  return (
    <Modal
      opened={opened}
      onClose={() => {
        if (!busy && !made) close();
      }}
      onExitTransitionEnd={forget}
      title={title}
      size="lg"
      closeOnClickOutside={false}
      withCloseButton={!made}
      closeButtonProps={{ 'aria-label': 'Close', disabled: busy }}
    >
      <div ref={body} tabIndex={-1} style={{ outline: 'none' }}>
        {children}
      </div>
    </Modal>
  );
}
