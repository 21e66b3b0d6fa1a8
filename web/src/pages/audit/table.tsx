import { Paper, Table, Text, UnstyledButton } from '@mantine/core';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { Fragment, useState } from 'react';
import css from '@/components/stacked.module.css';
import { Time } from '@/components/time';
import { EntryDetail } from './entry';
import type { Filter } from './filter';
import type { Entry } from './queries';
import { ACTIONS, actionInWords } from './words';

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
    <Paper withBorder radius="md">
      <Table className={css.table} aria-label="Entries of the audit" layout="fixed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>What</Table.Th>
            <Table.Th>To what</Table.Th>
            <Table.Th>Who</Table.Th>
            <Table.Th>From</Table.Th>
            <Table.Th w={190}>When</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => {
            const open = opened.has(entry.seq);
            const Icon = open ? ChevronDown : ChevronRight;
            return (
              <Fragment key={entry.seq}>
                <Table.Tr>
                  <Table.Td className={css.whole}>
                    <UnstyledButton
                      onClick={() => toggle(entry.seq)}
                      aria-expanded={open}
                      aria-controls={`entry-${entry.seq}`}
                      aria-label={`Entry ${entry.seq}: ${actionInWords(entry.action)}, ${entry.target}`}
                      display="flex"
                      style={{ gap: 6, alignItems: 'flex-start' }}
                    >
                      <Icon size={16} aria-hidden style={{ flex: 'none', marginTop: 3 }} />
                      <span>
                        <Text size="sm" fw={600} component="span" display="block" className="wrap">
                          {actionInWords(entry.action)}
                        </Text>
                        {ACTIONS[entry.action] && (
                          <Text size="xs" c="dimmed" component="span" display="block" className="mono wrap">
                            {entry.action}
                          </Text>
                        )}
                      </span>
                    </UnstyledButton>
                  </Table.Td>
                  <Table.Td data-label="To what" className="wrap">
                    {entry.target}
                  </Table.Td>
                  <Table.Td data-label="Who" className="wrap">
                    {entry.actor}
                  </Table.Td>
                  <Table.Td data-label="From" className="wrap">
                    {entry.source || 'this machine'}
                  </Table.Td>
                  <Table.Td data-label="When">
                    <div>
                      <Time ms={entry.at_ms} />
                    </div>
                  </Table.Td>
                </Table.Tr>
                <Table.Tr id={`entry-${entry.seq}`} hidden={!open}>
                  {open && (
                    <Table.Td colSpan={5} className={css.whole}>
                      <EntryDetail entry={entry} narrow={narrow} />
                    </Table.Td>
                  )}
                </Table.Tr>
              </Fragment>
            );
          })}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}
