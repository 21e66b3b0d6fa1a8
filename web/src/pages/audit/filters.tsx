import { Autocomplete, Button, Collapse, Group, Pill, Select, SimpleGrid, TextInput } from '@mantine/core';
import { ListFilter } from 'lucide-react';
import { useState } from 'react';
import { localTime } from '@/lib/format';
import { useLeavingFocus } from '@/lib/leaving-focus';
import {
  FILTERS,
  type Filter,
  type FilterName,
  FURTHER,
  filterOf,
  fromField,
  LABELS,
  toField,
} from './filter';
import classes from './filters.module.css';
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
  const [more, setMore] = useState(false);
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
      className={classes.field}
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
  const given = FILTERS.filter((name) => filter[name] !== undefined);
  const further = given.filter((name) => FURTHER.includes(name)).length;
  const focus = useLeavingFocus<HTMLDivElement, HTMLButtonElement>();
  const narrow = (next: Filter) => {
    focus.leave();
    onChange(next);
  };
  return (
    <form
      aria-label="Filter the audit"
      onSubmit={(event) => {
        event.preventDefault();
        onChange(filterOf(draft));
      }}
    >
      <Group gap="xs" align="flex-end">
        {text('actor', 'admin alice')}
        <Select
          className={classes.field}
          label={LABELS.action}
          placeholder="anything"
          data={[...known].map((value) => ({ value, label: actionInWords(value) }))}
          value={draft.action ?? null}
          onChange={(action) => onChange(filterOf({ ...draft, action: action ?? '' }))}
          searchable
          clearable
          clearButtonProps={{ 'aria-label': 'Anything' }}
        />
        <Button
          ref={focus.next}
          variant="default"
          onClick={() => setMore(!more)}
          aria-expanded={more}
          aria-controls="further-filters"
          leftSection={<ListFilter size={16} aria-hidden />}
        >
          {further > 0 ? `More filters (${further})` : 'More filters'}
        </Button>
        <Button type="submit" variant="default" disabled={!changed}>
          Filter
        </Button>
      </Group>
      <Collapse expanded={more} id="further-filters">
        {more && (
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="xs" verticalSpacing="xs" mt="xs">
            {text('target', 'revision 7')}
            {text('source', '192.0.2.1')}
            {moment('from')}
            {moment('to')}
          </SimpleGrid>
        )}
      </Collapse>
      {given.length > 0 && (
        <Group gap={6} mt="xs" role="group" aria-label="Filters in use" ref={focus.within}>
          {given.map((name) => (
            <Pill
              key={name}
              size="md"
              withRemoveButton
              onRemove={() => narrow(filterOf({ ...filter, [name]: '' }))}
              removeButtonProps={{
                'aria-label': `Remove the filter ${inWords(name, filter[name] ?? '')}`,
                'aria-hidden': undefined,
                tabIndex: 0,
              }}
            >
              {inWords(name, filter[name] ?? '')}
            </Pill>
          ))}
          <Button size="compact-sm" variant="subtle" onClick={() => narrow({})}>
            Remove all
          </Button>
        </Group>
      )}
    </form>
  );
}

/** `Who: admin alice` */
function inWords(name: FilterName, value: string): string {
  const local = name === 'from' || name === 'to' ? toField(value) : '';
  const said =
    name === 'action' ? actionInWords(value) : local ? localTime(new Date(local).getTime()) : value;
  return `${LABELS[name]}: ${said}`;
}
