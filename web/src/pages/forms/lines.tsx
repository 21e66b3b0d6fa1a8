import { Textarea } from '@mantine/core';
import { useState } from 'react';
import type { Shown } from './inputs';
import { type Json, same } from './path';
import { useForm } from './state';

/** The lines that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function textOf(value: Json): string {
  return Array.isArray(value) ? value.join('\n') : '';
}

/** A list of texts, one in a line. */
export function LinesField({ path, ...shown }: Shown & { path: string }) {
  const form = useForm();
  const value = form.at(path);
  // While one types there may be empty lines, which are no part of the list.
  const [typed, setTyped] = useState(() => textOf(value));
  const text = same(linesOf(typed), Array.isArray(value) ? value : []) ? typed : textOf(value);
  return (
    <Textarea
      {...shown}
      autosize
      minRows={2}
      maxRows={12}
      value={text}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        form.change(path, linesOf(event.currentTarget.value));
      }}
      onBlur={() => form.touch(path)}
      spellCheck={false}
    />
  );
}
