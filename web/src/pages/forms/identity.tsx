import { Radio, Text, TextInput } from '@mantine/core';
import classes from './forms.module.css';
import { helpOf, summaryOf } from './help';
import { Description } from './inputs';
import { useForm } from './state';

/** The name: chosen once, as everything else names it. */
export function NameField({ placeholder }: { placeholder: string }) {
  const form = useForm();
  const help = helpOf(form.kind, form.variant, 'id');
  return (
    <TextInput
      label="Name"
      description={
        form.fresh ? <Description help={help} /> : 'It never changes: logins and other parts name it.'
      }
      placeholder={placeholder}
      value={String(form.at('id') ?? '')}
      onChange={(event) => form.change('id', event.currentTarget.value)}
      onBlur={() => form.touch('id')}
      error={form.error('id')}
      readOnly={!form.fresh}
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
  return (
    <Radio.Group
      label={label}
      value={value}
      error={error}
      onChange={(next) => !form.readOnly && onChange(next)}
    >
      <div className={classes.modes} style={{ marginTop: 6 }}>
        {Object.entries(names).map(([variant, name]) => (
          <label key={variant} className={classes.card} data-checked={variant === value || undefined}>
            <Radio
              value={variant}
              label={name}
              disabled={form.readOnly && variant !== value}
              styles={{ label: { fontWeight: 550 } }}
            />
            <Text size="xs" c="dimmed" mt={4}>
              {summaryOf(form.kind, variant).replace(/^RADIUS: (.)/, (_, first: string) =>
                first.toUpperCase(),
              )}
            </Text>
          </label>
        ))}
      </div>
    </Radio.Group>
  );
}
