import { Button, Group, Input, PasswordInput, Text, Textarea } from '@mantine/core';
import { KeyRound } from 'lucide-react';
import { useId, useState } from 'react';
import { CopyIcon } from '@/components/copy';
import { Time } from '@/components/time';
import classes from './forms.module.css';
import { generateSecret } from './generate';
import type { Shown } from './inputs';
import { isMask, type Json } from './path';

/** A secret: it goes in and never comes out. What is set is shown by its fingerprint. */
export function SecretField({
  label,
  description,
  error,
  value,
  mask,
  onChange,
  onBlur,
  readOnly,
  long = false,
  made = false,
}: Omit<Shown, 'placeholder'> & {
  value: Json;
  /** What is set now, where something is. */
  mask: Json;
  onChange: (value: Json) => void;
  onBlur?: () => void;
  readOnly: boolean;
  /** Of several lines. */
  long?: boolean;
  /** It can be made here. */
  made?: boolean;
}) {
  const id = useId();
  const [generated, setGenerated] = useState<string | null>(null);
  if (isMask(value)) {
    return (
      <Input.Wrapper label={label} description={description} error={error} labelElement="div" id={id}>
        <Group gap="xs" mt={6} className={classes.set} role="group" aria-label={label}>
          <KeyRound size={16} aria-hidden />
          <Text size="sm" component="div">
            Set, fingerprint <span className="mono">{value.fingerprint.slice(0, 8)}…</span>
            {value.set_at_ms !== undefined && (
              <>
                , since <Time ms={value.set_at_ms} />
              </>
            )}
          </Text>
          {!readOnly && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => onChange('')}
              aria-label={`Replace: ${label}`}
            >
              Replace
            </Button>
          )}
        </Group>
      </Input.Wrapper>
    );
  }
  const text = typeof value === 'string' ? value : '';
  const change = (next: string) => {
    setGenerated(null);
    onChange(next);
  };
  const shown = { label, description, error, value: text, readOnly, onBlur, autoComplete: 'off' as const };
  return (
    <div>
      {long ? (
        <Textarea
          {...shown}
          placeholder="-----BEGIN PRIVATE KEY-----"
          autosize
          minRows={3}
          maxRows={10}
          spellCheck={false}
          classNames={{ input: classes.pem ?? '' }}
          onChange={(event) => change(event.currentTarget.value)}
        />
      ) : (
        <PasswordInput
          {...shown}
          autoComplete="new-password"
          data-1p-ignore
          visibilityToggleButtonProps={{ 'aria-label': `Show or hide: ${label}` }}
          onChange={(event) => change(event.currentTarget.value)}
        />
      )}
      {!readOnly && (
        <Group gap="xs" mt={6}>
          {made && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                const secret = generateSecret();
                setGenerated(secret);
                onChange(secret);
              }}
            >
              Generate
            </Button>
          )}
          {isMask(mask) && (
            <Button size="compact-sm" variant="default" onClick={() => onChange(mask)}>
              Keep the one that is set
            </Button>
          )}
        </Group>
      )}
      {generated !== null && generated === text && (
        <Group gap={4} mt={6} wrap="nowrap" aria-live="polite">
          <Text size="sm" className="mono wrap">
            {generated}
          </Text>
          <CopyIcon value={generated} label="Copy the secret" />
          <Text size="xs" c="dimmed">
            Copy it now: it is not shown again.
          </Text>
        </Group>
      )}
    </div>
  );
}
