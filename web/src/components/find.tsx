import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { Search } from 'lucide-react';
import { useEffect, useState } from 'react';

/** A field to find something in a list: what is typed is looked for a moment later. */
export function Find({
  label,
  placeholder,
  text,
  found,
}: {
  label: string;
  placeholder?: string;
  /** What the address has. */
  text: string;
  found: (text: string) => void;
}) {
  const [value, setValue] = useState(text);
  const later = useDebouncedCallback(found, 250);
  // Emptied from elsewhere: by a button, or by going back.
  useEffect(() => {
    if (text === '') setValue('');
  }, [text]);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      leftSection={<Search size={16} aria-hidden />}
      value={value}
      onChange={(event) => {
        setValue(event.currentTarget.value);
        later(event.currentTarget.value);
      }}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
