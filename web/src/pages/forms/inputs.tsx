/** One field of a form, by what it is: with its name in the file, its help and what the API says of it. */
import {
  Group,
  NativeSelect,
  NumberInput,
  Radio,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import type { ReactNode } from 'react';
import { AttributeField, AttributesField } from './attributes';
import { AuthenticatorField } from './authenticator-field';
import { FactorsField, SeveralField } from './choices';
import type { Field } from './fields';
import classes from './forms.module.css';
import { type Help, helpOf } from './help';
import { HostsField } from './hosts';
import { LinesField } from './lines';
import { get, type Json, set } from './path';
import { ReadField } from './read-field';
import { SecretField } from './secret';
import { useForm } from './state';

export interface Shown {
  label: string;
  description: ReactNode;
  error: string | null;
  placeholder: string | undefined;
}

/** Help under a label: the sentence, what holds without it, and what the file calls it. */
export function Description({ help, more }: { help: Help; more?: string | undefined }) {
  const fallback = help.default !== null && help.default !== 'none' ? help.default : null;
  return (
    <>
      {help.text}
      {more && ` ${more}`}
      {(fallback !== null || help.option) && (
        <span className={classes.file}>
          {fallback !== null && (
            <>
              Default: <span className="mono">{fallback}</span>
            </>
          )}
          {fallback !== null && help.option && <span aria-hidden> · </span>}
          {help.option && (
            <span className={classes.option} title="The option's name in the configuration file">
              authproxy.cfg: {help.option}
            </span>
          )}
        </span>
      )}
    </>
  );
}

export function FieldInput({ field }: { field: Field }) {
  const form = useForm();
  const { path } = field;
  const help = helpOf(form.kind, form.variant, path);
  const value = form.at(path);
  const error = form.error(path);
  const shared = {
    label: field.label,
    description: <Description help={help} more={field.more} />,
    error,
    placeholder: field.placeholder,
    name: path,
    onBlur: () => form.touch(path),
  };
  const change = (next: Json) => form.change(path, next);
  if (form.readOnly && field.input !== 'own') {
    return (
      <ReadField
        label={field.label}
        description={shared.description}
        field={field}
        value={value}
        help={help}
      />
    );
  }
  switch (field.input) {
    case 'text':
      return (
        <TextInput
          {...shared}
          value={typeof value === 'string' ? value : ''}
          onChange={(event) => change(kept(event.currentTarget.value, help.optional))}
          autoComplete="off"
          spellCheck={false}
        />
      );
    case 'number':
      return (
        <NumberInput
          {...shared}
          placeholder={field.placeholder ?? help.default ?? undefined}
          value={typeof value === 'number' || typeof value === 'string' ? value : ''}
          onChange={(next) => change(next === '' ? undefined : next)}
          suffix={field.unit ? ` ${field.unit}` : undefined}
          allowDecimal={false}
          allowNegative={false}
          clampBehavior="none"
          styles={{ wrapper: { maxWidth: 220 } }}
        />
      );
    case 'switch':
      return (
        <Switch
          label={field.label}
          description={shared.description}
          error={error}
          checked={value === undefined ? help.default === 'true' : value === true}
          onChange={(event) => change(event.currentTarget.checked)}
          className={classes.switch}
        />
      );
    case 'words':
      return (
        <NativeSelect
          {...shared}
          data={help.words.map((word) => ({ value: word.value, label: nameOf(field, word.value) }))}
          value={String(value ?? help.default ?? '')}
          onChange={(event) => change(event.currentTarget.value)}
          styles={{ wrapper: { maxWidth: 320 } }}
        />
      );
    case 'cards':
      return (
        <Cards
          {...shared}
          words={help.words.map((word) => ({ ...word, name: nameOf(field, word.value) }))}
          value={String(value ?? help.default ?? '')}
          onChange={(next) =>
            form.changeAll(
              (doc) => {
                const after = set(doc, path, next);
                return field.along?.(doc, after) ?? after;
              },
              [path],
            )
          }
        />
      );
    case 'lines':
      return <LinesField {...shared} path={path} />;
    case 'pem':
      return (
        <Textarea
          {...shared}
          placeholder="-----BEGIN CERTIFICATE-----"
          autosize
          minRows={3}
          maxRows={10}
          value={typeof value === 'string' ? value : ''}
          onChange={(event) => change(kept(event.currentTarget.value, help.optional))}
          spellCheck={false}
          classNames={{ input: classes.pem ?? '' }}
        />
      );
    case 'secret':
    case 'secret-pem':
      return (
        <SecretField
          {...shared}
          value={value}
          mask={get(form.base.doc, path)}
          onChange={change}
          readOnly={false}
          long={field.input === 'secret-pem'}
          made={field.made ?? false}
        />
      );
    case 'hosts':
      return <HostsField {...shared} path={path} />;
    case 'attribute':
      return <AttributeField {...shared} path={path} />;
    case 'attributes':
      return <AttributesField {...shared} path={path} />;
    case 'factors':
      return <FactorsField {...shared} path={path} words={help.words} names={field.names ?? {}} />;
    case 'several':
      return <SeveralField {...shared} path={path} words={help.words} />;
    case 'authenticator':
      return <AuthenticatorField {...shared} path={path} />;
    case 'own':
      return null;
  }
}

export function nameOf(field: Field, word: string): string {
  return field.names?.[word] ?? word;
}

/** Empty text of a field that may be left out leaves it out. */
export function kept(text: string, optional: boolean): Json {
  return text === '' && optional ? undefined : text;
}

/** A choice with a word on each of what there is to choose. */
export function Cards({
  label,
  description,
  error,
  words,
  value,
  onChange,
}: Pick<Shown, 'label' | 'description' | 'error'> & {
  words: { value: string; name: string; description: string }[];
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Radio.Group label={label} description={description} error={error} value={value} onChange={onChange}>
      <Stack gap={6} mt={6}>
        {words.map((word) => (
          <label key={word.value} className={classes.card} data-checked={word.value === value || undefined}>
            <Group gap="sm" wrap="nowrap" align="flex-start">
              <Radio value={word.value} mt={2} aria-label={word.name} />
              <div>
                <Text size="sm" fw={550}>
                  {word.name}
                </Text>
                <Text size="xs" c="dimmed">
                  {word.description}
                </Text>
              </div>
            </Group>
          </label>
        ))}
      </Stack>
    </Radio.Group>
  );
}
