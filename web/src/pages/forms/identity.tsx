import { Radio, Text, TextInput } from '@mantine/core';
import classes from './forms.module.css';
import { helpOf, summaryOf } from './help';
import { Description } from './inputs';
import { ReadText } from './read-field';
import { useForm } from './state';

/** The name: chosen once, as everything else names it. */
export function NameField({ placeholder }: { placeholder: string }) {
  const form = useForm();
  const help = helpOf(form.kind, form.variant, 'id');
  if (!form.fresh) {
    return (
      <ReadText label="Name" description="It never changes: logins and other parts name it.">
        {String(form.at('id') ?? '')}
      </ReadText>
    );
  }
  return (
    <TextInput
      label="Name"
      description={<Description help={help} />}
      placeholder={placeholder}
      value={String(form.at('id') ?? '')}
      onChange={(event) => form.change('id', event.currentTarget.value)}
      onBlur={() => form.touch('id')}
      error={form.error('id')}
      maw={420}
      autoComplete="off"
      spellCheck={false}
    />
  );
}

/** A choice that decides which fields there are: a card each, with what the documentation says of it. */
export function VariantField({
  label,
  names,
  value,
  error,
  onChange,
}: {
  label: string;
  names: Record<string, string>;
  value: string;
  error: string | null;
  onChange: (value: string) => void;
}) {
  const form = useForm();
  const about = (variant: string) =>
    summaryOf(form.kind, variant).replace(/^RADIUS: (.)/, (_, first: string) => first.toUpperCase());
  if (form.readOnly) {
    return (
      <ReadText label={label} description={about(value)}>
        {names[value] ?? value}
      </ReadText>
    );
  }
  return (
    <Radio.Group label={label} value={value} error={error} onChange={onChange}>
      <div className={classes.modes} style={{ marginTop: 6 }}>
        {Object.entries(names).map(([variant, name]) => (
          <label key={variant} className={classes.card} data-checked={variant === value || undefined}>
            <Radio value={variant} label={name} styles={{ label: { fontWeight: 550 } }} />
            <Text size="xs" c="dimmed" mt={4}>
              {about(variant)}
            </Text>
          </label>
        ))}
      </div>
    </Radio.Group>
  );
}
