import { Checkbox, Input, SimpleGrid } from '@mantine/core';
import type { Word } from './help';
import type { Shown } from './inputs';
import { useForm } from './state';

/** Words that a mode knows: `sms` is one of challenge mode's alone. */
export function factorsOf(mode: string, words: readonly Word[]): Word[] {
  return words.filter(({ value }) => mode === 'challenge' || value !== 'sms');
}

/** The list with one word more, or one less. Order is what counts: what comes is last. */
export function toggled(list: readonly string[], word: string, on: boolean): string[] {
  return on ? [...list.filter((one) => one !== word), word] : list.filter((one) => one !== word);
}

/** The factors, in order of preference where the mode has one. */
export function FactorsField({
  path,
  words,
  names,
  label,
  description,
  error,
}: Shown & { path: string; words: Word[]; names: Record<string, string> }) {
  const form = useForm();
  const value = form.at(path);
  const list = Array.isArray(value) ? value.map(String) : ['auto'];
  const ordered = form.variant !== 'challenge' && list.length > 1;
  return (
    <Checkbox.Group
      label={label}
      description={description}
      error={error}
      value={list}
      onChange={(next) => {
        const word = [...next, ...list].find((one) => next.includes(one) !== list.includes(one));
        if (word) form.change(path, toggled(list, word, next.includes(word)));
      }}
    >
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs" mt={8}>
        {factorsOf(form.variant, words).map((word) => {
          const place = list.indexOf(word.value) + 1;
          const name = names[word.value] ?? word.value;
          return (
            <Checkbox
              key={word.value}
              value={word.value}
              label={ordered && place > 0 ? `${place}. ${name}` : name}
              description={word.description.replace(/`/g, '')}
            />
          );
        })}
      </SimpleGrid>
    </Checkbox.Group>
  );
}

/** Several of a few words, kept in the order that the API names them in; none of them means all. */
export function SeveralField({
  path,
  words,
  label,
  description,
  error,
}: Shown & { path: string; words: Word[] }) {
  const form = useForm();
  const value = form.at(path);
  const list = Array.isArray(value) ? value.map(String) : [];
  return (
    <Checkbox.Group
      label={label}
      description={description}
      error={error}
      value={list}
      onChange={(next) =>
        form.change(
          path,
          words.map((word) => word.value).filter((word) => next.includes(word)),
        )
      }
    >
      <Input.Description mt={6}>
        {list.length === 0
          ? 'None is chosen, so all are used.'
          : `${list.length} of ${words.length} are used.`}
      </Input.Description>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" mt={8}>
        {words.map((word) => (
          <Checkbox
            key={word.value}
            value={word.value}
            label={<span className="mono wrap">{word.value}</span>}
            description={word.description}
          />
        ))}
      </SimpleGrid>
    </Checkbox.Group>
  );
}
