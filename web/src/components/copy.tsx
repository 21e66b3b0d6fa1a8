import { ActionIcon, Box, CopyButton, Tooltip } from '@mantine/core';
import { Check, Copy } from 'lucide-react';

/** A button that copies; says so to eyes and ears. */
export function CopyIcon({ value, label }: { value: string; label: string }) {
  return (
    <CopyButton value={value} timeout={2_000}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label}>
          <ActionIcon variant="subtle" onClick={copy} aria-label={copied ? 'Copied' : label}>
            {copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
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
