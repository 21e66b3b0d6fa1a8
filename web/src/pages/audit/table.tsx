import { Table, Text, UnstyledButton } from '@mantine/core';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { Fragment, useState } from 'react';
import { Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time } from '@/components/time';
import { nameIn } from './detail';
import { EntryDetail } from './entry';
import type { Filter } from './filter';
import type { Entry } from './queries';
import { actionInWords } from './words';

export function AuditTable({
  entries,
  narrow,
}: {
  entries: readonly Entry[];
  narrow: (filter: Filter) => void;
}) {
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const toggle = (seq: number) => {
    const next = new Set(opened);
    if (!next.delete(seq)) next.add(seq);
    setOpened(next);
  };
  return (
    <StackedTable
      label="Entries of the audit"
      columns={['What', 'To what', 'Who', 'Address', ['When', 190]]}
      fixed
    >
      {entries.map((entry) => {
        const open = opened.has(entry.seq);
        const Icon = open ? ChevronDown : ChevronRight;
        const name = nameIn(entry.detail, entry.target);
        const words = actionInWords(entry.action);
        return (
          <Fragment key={entry.seq}>
            <Table.Tr>
              <WholeCell>
                <UnstyledButton
                  onClick={() => toggle(entry.seq)}
                  aria-expanded={open}
                  aria-controls={open ? `entry-${entry.seq}` : undefined}
                  aria-label={`Entry ${entry.seq}: ${words}, ${name ? `${name}, ` : ''}${entry.target}`}
                  display="flex"
                  style={{ gap: 6, alignItems: 'flex-start' }}
                >
                  <Icon size={16} aria-hidden style={{ flex: 'none', marginTop: 3 }} />
                  <span>
                    <Text size="sm" fw={600} component="span" display="block" className="wrap">
                      {words}
                    </Text>
                    {words !== entry.action && (
                      <Text size="xs" c="dimmed" component="span" className="mono wrap" visibleFrom="md">
                        {entry.action}
                      </Text>
                    )}
                  </span>
                </UnstyledButton>
              </WholeCell>
              <Cell of="To what">
                {name && (
                  <Text size="sm" fw={600} component="span" display="block" className="wrap">
                    {name}
                  </Text>
                )}
                {entry.target}
              </Cell>
              <Cell of="Who">{entry.actor}</Cell>
              <Cell of="Address">{entry.source || 'this machine'}</Cell>
              <Cell of="When">
                <Time ms={entry.at_ms} />
              </Cell>
            </Table.Tr>
            {open && (
              <Table.Tr id={`entry-${entry.seq}`}>
                <WholeCell span={5}>
                  <EntryDetail entry={entry} narrow={narrow} />
                </WholeCell>
              </Table.Tr>
            )}
          </Fragment>
        );
      })}
    </StackedTable>
  );
}
