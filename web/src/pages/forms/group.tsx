import { Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Field, Group } from './fields';
import classes from './forms.module.css';
import { helpOf, uses } from './help';
import { FieldInput } from './inputs';
import { get, says } from './path';
import { type Form, useForm } from './state';

/** The fields of a group that the mode uses, and those that it ignores. */
export function partOf(form: Pick<Form, 'kind' | 'variant' | 'values'>, group: Group) {
  const used = group.fields.filter(({ path }) => uses(form.kind, form.variant, path));
  return {
    shown: used.filter((field) => field.when?.(form.values) ?? true),
    ignored: group.fields.filter((field) => !used.includes(field)),
  };
}

/** A group of fields under its heading. */
export function FieldGroup({
  group,
  children,
  modeName,
}: {
  group: Group;
  /** In the place of the fields. */
  children?: ReactNode;
  /** What the variant is called, where fields may be ignored because of it. */
  modeName?: string;
}) {
  const form = useForm();
  const { shown, ignored } = partOf(form, group);
  if (shown.length === 0 && ignored.length === 0) return null;
  // What is ignored and says something is told of by its name: it is kept for another mode.
  const kept = ignored.filter(({ path }) => says(get(form.values, path), fallbackOf(path)));
  // Of a group that the mode ignores whole nothing is said, unless somebody wrote something there.
  if (shown.length === 0 && !children && kept.length === 0) return null;
  return (
    <section className={classes.group} id={group.id} aria-labelledby={`${group.id}-title`}>
      <div>
        <Title order={2} size="h3" id={`${group.id}-title`}>
          {group.title}
        </Title>
        <Text size="sm" c="dimmed">
          {group.about}
        </Text>
      </div>
      <Stack gap="md">
        {children ?? <Fields fields={shown} />}
        {modeName && ignored.length > 0 && (
          <Text size="sm" c="dimmed">
            Mode {modeName} does not use {listed(ignored)}.
            {kept.length > 0 && (
              <>
                {' '}
                {kept.length === ignored.length ? 'What is set here' : `What is set for ${listed(kept)}`} is
                kept for another mode.
              </>
            )}
          </Text>
        )}
      </Stack>
    </section>
  );
}

const listed = (fields: readonly Field[]) => fields.map(({ label }) => `“${label}”`).join(', ');

function fallbackOf(path: string): string | null {
  return (
    ['auto', 'challenge', 'eap']
      .map((mode) => helpOf('integration', mode, path).default)
      .find((found) => found !== null) ?? null
  );
}

export function Fields({ fields }: { fields: readonly Field[] }) {
  return (
    <div className={classes.fields}>
      {fields.map((field) => (
        <div key={field.path} className={field.wide ? classes.wide : undefined} data-field={field.path}>
          <FieldInput field={field} />
        </div>
      ))}
    </div>
  );
}
