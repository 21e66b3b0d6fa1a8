/** What is wrong with the text, and what its lines became. */
import { Badge, Group, List, Loader, Paper, Stack, Table, Text, UnstyledButton } from '@mantine/core';
import type { Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { plural } from '@/lib/format';
import classes from './configuration.module.css';
import { became, counted, type Finding, sorted } from './diagnostics';
import { helpAt } from './help';
import type { Validation } from './use-validation';

/** Each fault with its remedy; one with a line leads to it. */
export function Findings({
  validation,
  file,
  goTo,
}: {
  validation: Validation;
  file: string;
  goTo: (line: number) => void;
}) {
  const { found, error, pending } = validation;
  const list = sorted(found?.diagnostics ?? []);
  return (
    <Paper withBorder p="sm" radius="md" component="section" aria-label="Faults">
      <Group gap="xs">
        <Text size="sm" fw={600} role="status" aria-live="polite">
          {found ? counted(list) : pending ? 'Checking' : 'Nothing to check yet'}
        </Text>
        {/* What is said is of the text a moment ago. */}
        {pending && <Loader size="xs" aria-hidden />}
      </Group>
      <ProblemAlert error={error} title="The text could not be checked" />
      {list.length > 0 && (
        <ul style={{ listStyle: 'none', margin: 0, padding: 0 }}>
          {list.map((finding) => (
            <li key={`${finding.file} ${finding.line} ${finding.option} ${finding.message}`}>
              <Fault finding={finding} own={finding.file === file} goTo={goTo} />
            </li>
          ))}
        </ul>
      )}
      {found && found.differences_in_behaviour.length > 0 && (
        <details className={classes.otherwise}>
          <summary>
            {plural(found.differences_in_behaviour.length, 'thing')} that the Duo Authentication Proxy did
            otherwise
          </summary>
          <List size="sm" mt={4}>
            {found.differences_in_behaviour.map((one) => (
              <List.Item key={one}>{one}</List.Item>
            ))}
          </List>
        </details>
      )}
    </Paper>
  );
}

function Fault({ finding, own, goTo }: { finding: Finding; own: boolean; goTo: (line: number) => void }) {
  const { line, severity, section, option, message, remedy, file } = finding;
  const where = [own ? null : file, line ? `Line ${line}` : null].filter((part) => part !== null).join(', ');
  const text = (
    <>
      <Group gap="xs">
        <Badge size="sm" variant="light" color={severity === 'error' ? 'red' : 'orange'} tt="none">
          {severity}
        </Badge>
        <Text size="sm" fw={600}>
          {where}
        </Text>
        {section && (
          <Text size="sm" className="mono wrap">
            [{section}] {option}
          </Text>
        )}
      </Group>
      <Text size="sm" className="wrap">
        {message}
      </Text>
      {remedy && (
        <Text size="sm" c="dimmed" className="wrap">
          What to do: {remedy}
        </Text>
      )}
    </>
  );
  if (!line || !own) return <div className={classes.finding}>{text}</div>;
  return (
    <UnstyledButton className={classes.finding} onClick={() => goTo(line)}>
      {text}
    </UnstyledButton>
  );
}

/** The line of the cursor: what its option means, and what it became. */
export function AtTheCursor({
  lines,
  line,
  report,
}: {
  lines: readonly string[];
  line: number;
  report: Schemas['LineReport'] | undefined;
}) {
  const help = helpAt(lines, line);
  const row = report?.lines.find((one) => one.line === line);
  return (
    <Paper withBorder p="sm" radius="md" component="section" aria-label="At the cursor">
      <Text size="sm" c="dimmed">
        Line {line}
      </Text>
      {help ? (
        <Stack gap={2}>
          <Text fw={600} className="mono wrap">
            {help.title}
          </Text>
          {help.help.map((text) => (
            <Text key={text} size="sm" className="wrap">
              {text}
            </Text>
          ))}
        </Stack>
      ) : (
        <Text size="sm">Put the cursor on an option: what it means is shown here.</Text>
      )}
      {row && (
        <Text size="sm" mt="xs" className="wrap">
          <b>
            {RESULT[row.result]}
            {became(row) ? ':' : '.'}
          </b>{' '}
          {became(row)}
        </Text>
      )}
    </Paper>
  );
}

const RESULT: Record<Schemas['LineResult'], string> = {
  set: 'It is set',
  ignored: 'It is ignored',
  kept: 'What is there stays',
  refused: 'It is refused',
};

/** Every line of the file, and what it became. */
export function LineTable({ report, goTo }: { report: Schemas['LineReport']; goTo: (line: number) => void }) {
  return (
    <Stack gap="xs">
      {/* Long: it scrolls by itself, also by keyboard. */}
      <div className={classes.scroll} tabIndex={0} role="region" aria-label="What each line became">
        <Table stickyHeader withRowBorders>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Line</Table.Th>
              <Table.Th>Became</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {report.lines.map((row) => (
              <Table.Tr key={row.line}>
                <Table.Td style={{ verticalAlign: 'top' }}>
                  <UnstyledButton
                    onClick={() => goTo(row.line)}
                    aria-label={`Go to line ${row.line}`}
                    c="var(--mantine-color-anchor)"
                  >
                    {row.line}
                  </UnstyledButton>
                </Table.Td>
                <Table.Td className="wrap">
                  <Text size="sm" className="mono">
                    {row.option ?? `[${row.section ?? ''}]`}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {row.result === 'set' ? '' : `${row.result}: `}
                    {became(row) || (row.result === 'set' ? 'set' : '')}
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <Text size="sm" c="dimmed">
        {report.silent} blank lines and comments
        {report.left_out > 0 ? `; ${report.left_out} more lines are not shown` : ''}.
      </Text>
    </Stack>
  );
}
