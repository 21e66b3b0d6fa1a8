import { Alert, Badge, Button, Card, Code, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { shown } from '@/components/diff';
import { Cell, StackedTable } from '@/components/stacked';
import { plural } from '@/lib/format';
import { Fold } from './fold';

type Findings = Schemas['Findings'];
type Diagnostic = Schemas['Diagnostic'];
type LineRow = Schemas['LineRow'];

/** How a row of the report reads, and in which colour. */
export function resultOf(row: LineRow, good: boolean): { word: string; colour: string } {
  if (row.result === 'refused') return { word: 'refused', colour: 'red' };
  if (row.result === 'ignored') return { word: 'ignored', colour: 'gray' };
  // A file with faults is not taken over, nor is any line of it.
  if (!good) return { word: 'not taken over', colour: 'gray' };
  if (row.result === 'kept') return { word: 'kept', colour: 'orange' };
  const changes = new Set(row.became?.map(({ change }) => change).filter(Boolean));
  if (changes.has('replaced')) return { word: 'replaced', colour: 'blue' };
  if (changes.has('added')) return { word: 'added', colour: 'green' };
  if (changes.has('same')) return { word: 'same', colour: 'gray' };
  return { word: 'set', colour: 'green' };
}

/** A value of a line. A secret is said as one: its fingerprint here is of the file, not of what is kept. */
function lineValue(value: unknown): string {
  return typeof value === 'object' && value !== null && 'fingerprint' in value ? 'a secret' : shown(value);
}

/** What was found in a file: faults first, then what each line becomes. */
export function FindingsView({
  found,
  brought,
  lead,
}: {
  found: Findings;
  /** Whether it is a file that was there before: only of one is it told how its lines are read. */
  brought: boolean;
  /** Where a fault is mended, if the page knows. */
  lead?: (diagnostic: Diagnostic) => { label: string; go: () => void } | undefined;
}) {
  const errors = found.diagnostics.filter(({ severity }) => severity === 'error');
  const warnings = found.diagnostics.filter(({ severity }) => severity === 'warning');
  const report = brought ? found.report.lines : [];
  const [open, setOpen] = useState(false);
  const more = report.length > SHORT;
  return (
    <Stack gap="md">
      <Alert
        color={errors.length > 0 ? 'red' : warnings.length > 0 ? 'orange' : 'green'}
        title={
          errors.length > 0
            ? `${plural(errors.length, 'error')}: it cannot be served like this`
            : warnings.length > 0
              ? `It can be served, with ${plural(warnings.length, 'warning')}`
              : 'It can be served as it is'
        }
        role="status"
      >
        <Text size="sm">
          {errors.length > 0
            ? 'Nothing is imported until all of them are fixed.'
            : 'Nothing is served yet: look at it first.'}
        </Text>
      </Alert>
      {found.diagnostics.length > 0 && (
        <Stack gap="xs" component="ul" p={0} m={0} style={{ listStyle: 'none' }} aria-label="Faults">
          {[...errors, ...warnings].map((one) => {
            const way = lead?.(one);
            return (
              <Card
                component="li"
                withBorder
                p="sm"
                key={`${one.line} ${one.section} ${one.option} ${one.message}`}
              >
                <Group gap="xs">
                  <Badge variant="light" color={one.severity === 'error' ? 'red' : 'orange'} tt="none">
                    {one.severity}
                  </Badge>
                  <Text size="sm" fw={600} className="wrap">
                    {[
                      one.line ? `Line ${one.line}` : null,
                      one.section ? `[${one.section}]` : null,
                      one.option ?? null,
                    ]
                      .filter(Boolean)
                      .join(' ') || one.file}
                  </Text>
                </Group>
                <Text size="sm" mt={4} className="wrap">
                  {one.message}
                </Text>
                {one.remedy && (
                  <Text size="sm" className="wrap">
                    <b>What to do:</b> {one.remedy}
                  </Text>
                )}
                {way && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    mt={6}
                    onClick={way.go}
                    style={{ alignSelf: 'flex-start' }}
                  >
                    {way.label}
                  </Button>
                )}
              </Card>
            );
          })}
        </Stack>
      )}
      {(found.unused_files?.length ?? 0) > 0 && (
        <Text size="sm" className="wrap">
          Sent along, and named by nothing in it: {found.unused_files?.join(', ')}
        </Text>
      )}
      {brought && found.differences_in_behaviour.length > 0 && (
        <Fold
          title={`${plural(found.differences_in_behaviour.length, 'thing')} that the Duo Authentication Proxy did otherwise`}
        >
          <Stack component="ul" gap={4} m={0}>
            {found.differences_in_behaviour.map((difference) => (
              <Text component="li" size="sm" key={difference} className="wrap">
                {difference}
              </Text>
            ))}
          </Stack>
        </Fold>
      )}
      {report.length > 0 && (
        <section aria-label="What each line becomes">
          <Title order={3} mb="xs">
            What each line becomes
          </Title>
          <StackedTable
            label="What each line becomes"
            columns={[['Line', 60], 'Option', ['Result', 130], 'In the configuration']}
          >
            {(open ? report : report.slice(0, SHORT)).map((row) => (
              <Line key={`${row.line} ${row.section} ${row.option}`} row={row} good={found.good} />
            ))}
          </StackedTable>
          {more && (
            <Button variant="subtle" size="compact-sm" mt="xs" onClick={() => setOpen(!open)}>
              {open ? 'Show fewer' : `Show all ${report.length} lines`}
            </Button>
          )}
        </section>
      )}
    </Stack>
  );
}

const SHORT = 12;

function Line({ row, good }: { row: LineRow; good: boolean }) {
  const result = resultOf(row, good);
  return (
    <Table.Tr>
      <Cell of="Line">{row.line}</Cell>
      <Cell of="Option">
        {row.option ? <Code>{row.option}</Code> : <b className="wrap">[{row.section}]</b>}
      </Cell>
      <Cell of="Result">
        <Badge variant="light" color={result.colour} tt="none" style={{ flexShrink: 0 }}>
          {result.word}
        </Badge>
      </Cell>
      <Cell of="In the configuration">
        {row.became?.map((place) => (
          <Text size="xs" key={place.path} className="mono wrap">
            {place.path}
            {row.option ? ` = ${lineValue(place.value)}` : ''}
          </Text>
        ))}
        {row.is_default && (
          <Text size="xs" c="dimmed">
            The default: it may be left out.
          </Text>
        )}
        {row.notes?.map((note) => (
          <Text size="xs" key={note} className="wrap">
            {note}
          </Text>
        ))}
      </Cell>
    </Table.Tr>
  );
}
