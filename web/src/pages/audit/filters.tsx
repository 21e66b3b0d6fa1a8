import { Autocomplete, Button, Group, Select, SimpleGrid, TextInput } from '@mantine/core';
import { useState } from 'react';
import { FILTERS, type Filter, filterOf, fromField, LABELS, toField } from './filter';
import type { Entry } from './queries';
import { ACTIONS, actionInWords } from './words';

/** What narrows the list. Names are compared as a whole: those that are on the page are proposed. */
export function Filters({
  filter,
  entries,
  onChange,
}: {
  filter: Filter;
  entries: readonly Entry[];
  onChange: (filter: Filter) => void;
}) {
  const [draft, setDraft] = useState<Filter>(filter);
  const now = JSON.stringify(filter);
  const [shown, setShown] = useState(now);
  if (shown !== now) {
    // The address has another: by a button, or by going back. The fields stay, and with them the focus.
    setShown(now);
    setDraft(filter);
  }
  const seen = (name: 'actor' | 'target' | 'source') => [
    ...new Set(entries.map((entry) => entry[name]).filter(Boolean)),
  ];
  const text = (name: 'actor' | 'target' | 'source', placeholder: string) => (
    <Autocomplete
      label={LABELS[name]}
      placeholder={placeholder}
      data={seen(name)}
      value={draft[name] ?? ''}
      onChange={(value) => setDraft({ ...draft, [name]: value })}
      onOptionSubmit={(value) => onChange(filterOf({ ...draft, [name]: value }))}
      limit={20}
      autoComplete="off"
      spellCheck={false}
    />
  );
  const moment = (name: 'from' | 'to') => (
    <TextInput
      type="datetime-local"
      label={LABELS[name]}
      value={toField(draft[name])}
      onChange={(event) => setDraft({ ...draft, [name]: fromField(event.currentTarget.value) })}
    />
  );
  const known = new Set([
    ...Object.keys(ACTIONS),
    ...entries.map(({ action }) => action),
    ...(draft.action ? [draft.action] : []),
  ]);
  const changed = FILTERS.some((name) => (draft[name] ?? '') !== (filter[name] ?? ''));
  return (
    <form
      aria-label="Filter the audit"
      onSubmit={(event) => {
        event.preventDefault();
        onChange(filterOf(draft));
      }}
    >
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3, xl: 6 }} spacing="sm" verticalSpacing="xs">
        {text('actor', 'admin alice, token ci')}
        <Select
          label={LABELS.action}
          placeholder="anything"
          data={[...known].map((value) => ({ value, label: actionInWords(value) }))}
          value={draft.action ?? null}
          onChange={(action) => onChange(filterOf({ ...draft, action: action ?? '' }))}
          searchable
          clearable
          clearButtonProps={{ 'aria-label': 'Anything' }}
        />
        {text('target', 'revision 7')}
        {text('source', '192.0.2.1')}
        {moment('from')}
        {moment('to')}
      </SimpleGrid>
      <Group gap="xs" mt="sm">
        <Button type="submit" variant="default" size="sm" disabled={!changed}>
          Filter
        </Button>
        {Object.keys(filter).length > 0 && (
          <Button variant="subtle" size="sm" onClick={() => onChange({})}>
            Show all
          </Button>
        )}
      </Group>
    </form>
  );
}
