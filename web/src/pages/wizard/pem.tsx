import { FileInput } from '@mantine/core';
import { useMemo } from 'react';
import type { NamedFile } from './answers';

/** A file in PEM that goes along with the configuration. */
export function PemInput({
  label,
  description,
  value,
  onChange,
  error,
  required,
}: {
  label: string;
  description: string;
  value: NamedFile | null;
  onChange: (file: NamedFile | null) => void;
  error?: string | undefined;
  required?: boolean;
}) {
  // One that was chosen before the way back is there still, and can be left out.
  const chosen = useMemo(() => (value ? new File([value.content], value.name) : null), [value]);
  return (
    <FileInput
      label={label}
      description={description}
      placeholder="Choose a file"
      value={chosen}
      accept=".pem,.crt,.cer,.key,text/plain,application/x-pem-file"
      clearable
      clearButtonProps={{ 'aria-label': `Leave out: ${label}` }}
      onChange={(file) => {
        if (!file) return onChange(null);
        void file.text().then((content) => onChange({ name: file.name, content }));
      }}
      error={error}
      required={required}
    />
  );
}
