/** A field to read: text where the form has an input, so that nothing looks as if it could be changed. */
import { Anchor, Badge, Input, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { said } from '@/components/diff-values';
import type { Field } from './fields';
import classes from './forms.module.css';
import type { Help } from './help';
import { isMask, type Json } from './path';
import { SecretField } from './secret';

/** What holds, where the form does not say it: the default, or nothing. */
function unsaid(field: Field, help: Help): string {
  if (help.default !== null && help.default !== 'none') {
    if (help.default === 'true' || help.default === 'false') return help.default === 'true' ? 'yes' : 'no';
    return field.names?.[help.default] ?? help.default;
  }
  return field.input === 'switch' ? 'no' : 'not set';
}

function isSaid(value: Json): value is Exclude<Json, null | undefined> {
  return (
    value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)
  );
}

export function ReadField({
  label,
  description,
  field,
  value,
  help,
}: {
  label: string;
  description: ReactNode;
  field: Field;
  value: Json;
  help: Help;
}) {
  if (isMask(value)) {
    return (
      <SecretField
        label={label}
        description={description}
        error={null}
        value={value}
        mask={value}
        onChange={() => {}}
        readOnly
      />
    );
  }
  return (
    <ReadText label={label} description={description}>
      {!isSaid(value) ? (
        <Text size="sm" c="dimmed" component="span">
          {unsaid(field, help)}
        </Text>
      ) : field.input === 'authenticator' ? (
        <Anchor component={Link} to={`/authenticators/${encodeURIComponent(String(value))}`} size="sm">
          {String(value)}
        </Anchor>
      ) : field.input === 'factors' && Array.isArray(value) ? (
        value.map((one) => (
          <Badge key={String(one)} variant="light" tt="none" mr={6}>
            {field.names?.[String(one)] ?? String(one)}
          </Badge>
        ))
      ) : (
        <Said field={field} value={value} />
      )}
    </ReadText>
  );
}

function Said({ field, value }: { field: Field; value: Json }) {
  const { text, blocks } = said(value, undefined, field);
  return (
    <>
      {text !== '' && (
        <Text size="sm" component="span">
          {text}
        </Text>
      )}
      {blocks.map(({ name, body }) => (
        <details key={body}>
          <summary>{name}</summary>
          <pre className={classes.pem}>{body}</pre>
        </details>
      ))}
    </>
  );
}

/** A text under the label of a field. */
export function ReadText({
  label,
  description,
  children,
}: {
  label: string;
  description: ReactNode;
  children: ReactNode;
}) {
  return (
    <Input.Wrapper label={label} description={description} labelElement="div" role="group" aria-label={label}>
      <div className={classes.read}>{children}</div>
    </Input.Wrapper>
  );
}
