import { Alert, Badge, Button, Card, Code, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { shown } from '@/components/diff';
import { plural } from '@/lib/format';

type Findings = Schemas['Findings'];
type Diagnostic = Schemas['Diagnostic'];
type LineRow = Schemas['LineRow'];

/** How a row of the report reads, and in which colour. */
export function resultOf(row: LineRow): { word: string; colour: string } {
  if (row.result === 'refused') return { word: 'refused', colour: 'red' };
  if (row.result === 'ignored') return { word: 'ignored', colour: 'gray' };
  if (row.result === 'kept') return { word: 'kept', colour: 'orange' };
  const changes = new Set(row.became?.map(({ change }) => change).filter(Boolean));
  if (changes.has('replaced')) return { word: 'replaced', colour: 'blue' };
  if (changes.has('added')) return { word: 'added', colour: 'green' };
  if (changes.has('same')) return { word: 'same', colour: 'gray' };
  return { word: 'set', colour: 'green' };
}

/** What was found in a file: faults first, then what each line becomes. */
export function FindingsView({
  found,
  lead,
}: {
  found: Findings;
  /** Where a fault is mended, if the page knows. */
  lead?: (diagnostic: Diagnostic) => { label: string; go: () => void } | undefined;
}) {
  const errors = found.diagnostics.filter(({ severity }) => severity === 'error');
  const warnings = found.diagnostics.filter(({ severity }) => severity === 'warning');
  const report = found.report.lines;
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
                  <Button size="compact-sm" variant="default" mt={6} onClick={way.go}>
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
      {found.differences_in_behaviour.length > 0 && (
        <details>
          <summary>
            <Text size="sm" component="span" fw={600}>
              {plural(found.differences_in_behaviour.length, 'thing')} that the Duo Authentication Proxy did
              otherwise
            </Text>
          </summary>
          <Stack component="ul" gap={4} mt="xs">
            {found.differences_in_behaviour.map((difference) => (
              <Text component="li" size="sm" key={difference} className="wrap">
                {difference}
              </Text>
            ))}
          </Stack>
        </details>
      )}
      {report.length > 0 && (
        <section aria-label="What each line becomes">
          <Title order={3} mb="xs">
            What each line becomes
          </Title>
          <Table.ScrollContainer minWidth={560}>
            <Table verticalSpacing={4} withTableBorder>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Line</Table.Th>
                  <Table.Th>Option</Table.Th>
                  <Table.Th>Result</Table.Th>
                  <Table.Th>In the configuration</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {(open ? report : report.slice(0, SHORT)).map((row) => (
                  <Line key={`${row.line} ${row.section} ${row.option}`} row={row} />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
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

function Line({ row }: { row: LineRow }) {
  const result = resultOf(row);
  return (
    <Table.Tr>
      <Table.Td>{row.line}</Table.Td>
      <Table.Td className="wrap">
        {row.option ? <Code>{row.option}</Code> : <b className="wrap">[{row.section}]</b>}
      </Table.Td>
      <Table.Td>
        <Badge variant="light" color={result.colour} tt="none">
          {result.word}
        </Badge>
      </Table.Td>
      <Table.Td className="wrap">
        {row.became?.map((place) => (
          <Text size="xs" key={place.path} className="mono wrap">
            {place.path}
            {row.option ? ` = ${shown(place.value)}` : ''}
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
      </Table.Td>
    </Table.Tr>
  );
}
