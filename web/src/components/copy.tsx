import { ActionIcon, Box, Tooltip } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { Check, Copy, CopyX } from 'lucide-react';

/** A button that copies; says so to eyes and ears. */
export function CopyIcon({ value, label }: { value: string; label: string }) {
  const { copied, error, copy } = useClipboard({ timeout: 2_000 });
  // Browsers let a page copy by HTTPS and on the machine itself alone.
  const said = error
    ? 'This browser does not allow copying here: select the text instead'
    : copied
      ? 'Copied'
      : label;
  const Icon = error ? CopyX : copied ? Check : Copy;
  return (
    <Tooltip label={said}>
      <ActionIcon variant="subtle" onClick={() => copy(value)} aria-label={said}>
        <Icon size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}

/** Text to take along, as it is: a command, a device's settings, a token that is shown once. */
export function CopyBlock({ text, label }: { text: string; label: string }) {
  return (
    <Box pos="relative">
      <Box
        component="pre"
        className="mono wrap"
        // Long lines scroll, also by keyboard.
        tabIndex={0}
        aria-label={label}
        p="sm"
        pr={44}
        m={0}
        bd="1px solid var(--mantine-color-default-border)"
        bg="light-dark(var(--mantine-color-gray-0), var(--mantine-color-dark-8))"
        style={{ whiteSpace: 'pre-wrap', borderRadius: 'var(--mantine-radius-md)' }}
      >
        {text}
      </Box>
      <Box pos="absolute" top={6} right={6}>
        <CopyIcon value={text} label={`Copy: ${label}`} />
      </Box>
    </Box>
  );
}
