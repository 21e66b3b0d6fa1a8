/** A list of users, or of their devices: searched and narrowed in the address, and shown page by page. */
import { Box, Button, Group, NativeSelect, Pagination, Select, Stack, Text } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Search } from 'lucide-react';
import { type ReactNode, useRef } from 'react';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { StackedTable } from '@/components/stacked';
import { count, plural } from '@/lib/format';
import { pageOf } from './narrow';
import classes from './second-factor.module.css';

const ROWS = 50;

/** What narrows the list: in the address, so that it can be sent to somebody. */
export function useFilters() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>;
  const navigate = useNavigate();
  const set = (changes: Record<string, string | undefined>) => {
    const next = Object.fromEntries(
      Object.entries({ ...search, page: undefined, ...changes }).filter(([, value]) => value),
    );
    void navigate({ to: '/second-factor', search: next, replace: true, resetScroll: false });
  };
  return { search, set };
}

export function List<T>({
  noun,
  label,
  placeholder,
  choice,
  also,
  clears = [],
  all,
  found,
  isPart = false,
  notes,
  none,
  orders,
  head,
  row,
}: {
  /** `user` */
  noun: string;
  /** `Users` */
  label: string;
  /** What can be searched for. */
  placeholder: string;
  /** What narrows beside a text: its name in the address, how it is called, and what can be chosen. */
  choice: { name: string; label: string; value: string | undefined; words: Record<string, string> };
  /** What narrows as well. */
  also?: ReactNode;
  /** What of it in the address is taken away to show all. */
  clears?: readonly string[];
  /** How many there are. */
  all: number;
  /** Those that match, in order. */
  found: readonly T[];
  /** Whether there are more than were read. */
  isPart?: boolean;
  /** Said between the search and the list. */
  notes?: ReactNode;
  /** Said where none matches, beside how many are hidden. */
  none?: ReactNode;
  /** What the list can be sorted by where the headings have no room: `-failures` to what it is called. */
  orders?: { value: string | undefined; words: Record<string, string> };
  /** The headings, without that of the last column. */
  head: ReactNode;
  /** A row; `gone` is to be called when it was deleted with the button that has the focus. */
  row: (one: T, gone: () => void) => ReactNode;
}) {
  const { search, set } = useFilters();
  const place = useRef<HTMLDivElement>(null);
  const { page, pages, items } = pageOf(found, search.page, ROWS);
  return (
    <Stack gap="sm" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      <Group gap="sm" align="flex-end">
        <div className={classes.search}>
          <Find
            label="Search"
            placeholder={placeholder}
            text={search.q ?? ''}
            found={(text) => set({ q: text })}
          />
        </div>
        <Select
          label={choice.label}
          data={[
            { value: 'all', label: 'all' },
            ...Object.entries(choice.words).map(([value, word]) => ({ value, label: word })),
          ]}
          value={choice.value ?? 'all'}
          onChange={(value) => set({ [choice.name]: value === 'all' || !value ? undefined : value })}
          allowDeselect={false}
          className={classes.choice}
        />
        {also}
        {orders && (
          <Box hiddenFrom="md" className={classes.choice}>
            <NativeSelect
              label="Order"
              value={orders.value ?? 'name'}
              onChange={({ currentTarget: { value } }) => set({ sort: value === 'name' ? undefined : value })}
              data={Object.entries(orders.words).map(([value, word]) => ({ value, label: word }))}
            />
          </Box>
        )}
        <Text size="sm" c="dimmed" role="status" pb={8}>
          {found.length === all && !isPart
            ? plural(all, noun)
            : `${count(found.length)} of ${plural(all, noun)}`}
        </Text>
      </Group>
      {notes}
      {found.length === 0 ? (
        <Empty
          icon={Search}
          title={`No ${noun} matches`}
          action={
            <Button
              variant="default"
              onClick={() =>
                set({
                  q: undefined,
                  [choice.name]: undefined,
                  ...Object.fromEntries(clears.map((name) => [name, undefined])),
                })
              }
            >
              Show all
            </Button>
          }
        >
          The search hides {plural(all, noun)}. {none}
        </Empty>
      ) : (
        <StackedTable label={label} head={head} actions dense>
          {items.map((one) => row(one, () => place.current?.focus()))}
        </StackedTable>
      )}
      {pages > 1 && (
        <Pagination
          total={pages}
          value={page}
          onChange={(next) => set({ page: String(next) })}
          getItemProps={(item) => ({ 'aria-label': `Page ${item}` })}
          getControlProps={(control) => ({ 'aria-label': `${control} page` })}
        />
      )}
    </Stack>
  );
}
