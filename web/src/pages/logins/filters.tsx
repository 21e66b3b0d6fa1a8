import { Button, Collapse, Group, Pill, Select, SimpleGrid, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { ListFilter, Search } from 'lucide-react';
import { type FormEvent, useEffect, useState } from 'react';
import { integrationsQuery, nodesQuery } from '@/api/queries';
import { FACTORS, OUTCOMES, REASON_GROUPS, REASONS } from '@/components/login/words';
import { useLeavingFocus } from '@/lib/leaving-focus';
import {
  FILTERS,
  type Filter,
  type FilterName,
  faultOf,
  SPANS,
  TEXT_CHARACTERS,
  takenFrom,
  toLocalInput,
  wordsOf,
} from './filter';

export type SetFilter = (part: Filter) => void;

/** Those that stand behind a button. */
const FURTHER: readonly FilterName[] = [
  'user',
  'integration',
  'node',
  'reason',
  'factor',
  'client',
  'test',
  'from',
  'to',
];

/** What narrows the list: each is in the page's address, and can be taken away alone. */
export function Filters({ filter, set, clear }: { filter: Filter; set: SetFilter; clear: () => void }) {
  const given = FILTERS.filter((name) => filter[name] !== undefined);
  const [more, setMore] = useState(false);
  const further = given.filter((name) => FURTHER.includes(name)).length;
  const { within, next, leave } = useLeavingFocus<HTMLDivElement, HTMLButtonElement>();
  return (
    <search aria-label="Filter the logins">
      <Group gap="xs" align="flex-end">
        <TextField
          label="Contains"
          placeholder="any name, address or step"
          value={filter.text ?? ''}
          onValue={(text) => set({ text })}
          maxLength={TEXT_CHARACTERS}
          icon
        />
        <Choice
          label="Time"
          placeholder="any time"
          value={filter.since}
          onValue={(since) => set(since ? { since, from: '', to: '' } : { since })}
          data={Object.entries(SPANS).map(([value, { label }]) => ({ value, label }))}
          w={140}
        />
        <Choice
          label="Outcome"
          placeholder="any"
          value={filter.outcome}
          onValue={(outcome) => set({ outcome })}
          data={Object.entries(OUTCOMES).map(([value, { word }]) => ({ value, label: word }))}
          w={140}
        />
        <Button
          ref={next}
          variant="default"
          onClick={() => setMore(!more)}
          aria-expanded={more}
          aria-controls="further-filters"
          leftSection={<ListFilter size={16} aria-hidden />}
        >
          {further > 0 ? `More filters (${further})` : 'More filters'}
        </Button>
      </Group>
      <Collapse expanded={more} id="further-filters">
        {more && <Further filter={filter} set={set} />}
      </Collapse>
      {given.length > 0 && (
        <Group gap={6} mt="xs" role="group" aria-label="Filters in use" ref={within}>
          {given.map((name) => (
            <Pill
              key={name}
              size="md"
              withRemoveButton
              onRemove={() => {
                leave();
                set({ [name]: '' });
              }}
              removeButtonProps={{
                'aria-label': `Remove the filter ${wordsOf(name, filter[name] ?? '')}`,
                'aria-hidden': undefined,
                tabIndex: 0,
              }}
            >
              {wordsOf(name, filter[name] ?? '')}
            </Pill>
          ))}
          <Button
            size="compact-sm"
            variant="subtle"
            onClick={() => {
              leave();
              clear();
            }}
          >
            Remove all
          </Button>
        </Group>
      )}
    </search>
  );
}

function Further({ filter, set }: { filter: Filter; set: SetFilter }) {
  const integrations = useQuery(integrationsQuery).data?.items.map((one) => one.id) ?? [];
  const nodes = useQuery({ ...nodesQuery, refetchInterval: false }).data?.items.map((one) => one.node) ?? [];
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 5 }} spacing="xs" verticalSpacing="xs" mt="xs">
      <TextField
        label="User"
        placeholder="as it was typed"
        value={filter.user ?? ''}
        onValue={(user) => set({ user })}
      />
      <Choice
        label="Integration"
        placeholder="any"
        value={filter.integration}
        onValue={(integration) => set({ integration })}
        data={named(integrations, filter.integration)}
        searchable
      />
      <Choice
        label="Why"
        placeholder="any reason"
        value={filter.reason}
        onValue={(reason) => set({ reason })}
        data={REASON_GROUPS.map(({ group, items }) => ({
          group,
          items: items.map((value) => ({ value, label: REASONS[value] })),
        }))}
        searchable
      />
      <Choice
        label="Factor"
        placeholder="any"
        value={filter.factor}
        onValue={(factor) => set({ factor })}
        data={Object.entries(FACTORS).map(([value, label]) => ({ value, label }))}
      />
      <TextField
        label="Client"
        placeholder="address of the device"
        value={filter.client ?? ''}
        onValue={(client) => set({ client })}
        fault={(value) => faultOf('client', value)}
      />
      <Choice
        label="Node"
        placeholder="any"
        value={filter.node}
        onValue={(node) => set({ node })}
        data={named(nodes, filter.node)}
      />
      <Choice
        label="Tests"
        placeholder="shown"
        value={filter.test}
        onValue={(test) => set({ test })}
        data={[
          { value: 'false', label: 'hidden' },
          { value: 'true', label: 'only tests' },
        ]}
      />
      <MomentField label="From" value={filter.from} onValue={(from) => set({ from, since: '' })} />
      <MomentField label="Before" value={filter.to} onValue={(to) => set({ to, since: '' })} />
    </SimpleGrid>
  );
}

/** A name of the address stays a choice, though nothing has it any more. */
function named(names: readonly string[], chosen: string | undefined): string[] {
  return chosen && !names.includes(chosen) ? [...names, chosen] : [...names];
}

function Choice({
  value,
  onValue,
  label,
  ...rest
}: {
  label: string;
  placeholder: string;
  value: string | undefined;
  onValue: (value: string) => void;
  data: React.ComponentProps<typeof Select>['data'];
  searchable?: boolean;
  w?: number;
}) {
  return (
    <Select
      label={label}
      value={value ?? null}
      onChange={(chosen) => onValue(chosen === null ? '' : String(chosen))}
      clearable
      clearButtonProps={{ 'aria-label': `Any: ${label}` }}
      nothingFoundMessage="Nothing of this name"
      comboboxProps={{ shadow: 'md' }}
      maxDropdownHeight={360}
      {...rest}
    />
  );
}

/** Asked for when Enter is pressed, or the field is left: not with each letter. */
function TextField({
  label,
  placeholder,
  value,
  onValue,
  maxLength = 253,
  fault,
  icon,
}: {
  label: string;
  placeholder: string;
  value: string;
  onValue: (value: string) => void;
  maxLength?: number;
  fault?: (value: string) => string | null;
  icon?: boolean;
}) {
  const [typed, setTyped] = useState(value);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => setTyped(value), [value]);
  const take = (event?: FormEvent) => {
    event?.preventDefault();
    const wrong = fault?.(typed.trim()) ?? null;
    setError(wrong);
    if (wrong === null && typed.trim() !== value) onValue(typed.trim());
  };
  return (
    <form onSubmit={take} style={icon ? { flex: '1 1 200px', maxWidth: 360 } : undefined}>
      <TextInput
        label={label}
        placeholder={placeholder}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onBlur={() => take()}
        error={error}
        maxLength={maxLength}
        autoComplete="off"
        spellCheck={false}
        leftSection={icon ? <Search size={16} aria-hidden /> : undefined}
      />
    </form>
  );
}

function MomentField({
  label,
  value,
  onValue,
}: {
  label: string;
  value: string | undefined;
  onValue: (value: string) => void;
}) {
  return (
    <TextInput
      type="datetime-local"
      label={label}
      defaultValue={toLocalInput(value)}
      key={value ?? ''}
      onBlur={(event) => {
        const taken = takenFrom(event.currentTarget.value, value);
        if (taken !== undefined) onValue(taken);
      }}
    />
  );
}
