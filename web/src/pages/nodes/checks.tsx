import { Alert, Badge, Button, Group, Loader, Stack, Table, Text, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Stethoscope } from 'lucide-react';
import { api, ask, type Schemas } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import { Cell, StackedTable } from '@/components/stacked';
import { useNow } from '@/components/time';
import { plural, seconds } from '@/lib/format';
import { useSession } from '@/session';
import { CHECKS, faultsFirst, RESULTS } from './words';

type CheckReport = Schemas['CheckReport'];

/** Has one node, or all, try what they serve. */
export function Checks({ node }: { node?: string }) {
  const { may } = useSession();
  const run = useMutation({
    mutationFn: () => ask(api.POST('/api/v1/checks', { body: node === undefined ? {} : { node } })),
  });
  return (
    <Stack gap="sm">
      <Group gap="sm">
        {may('operator') ? (
          <Button
            leftSection={<Stethoscope size={16} aria-hidden />}
            onClick={() => run.mutate()}
            loading={run.isPending}
            variant="default"
          >
            {node === undefined ? 'Check all nodes' : `Check ${node}`}
          </Button>
        ) : (
          <Text size="sm">An operator can run the checks.</Text>
        )}
        <Text size="sm" c="dimmed" maw="60ch">
          Tries directories, upstreams, the second factor, certificates, clock and ports from{' '}
          {node === undefined ? 'each node that is connected' : 'there'}. Nobody is logged in.
        </Text>
      </Group>
      <div aria-live="polite">
        {run.isPending && <Running />}
        {run.data && !run.isPending && <Report report={run.data} />}
      </div>
      <ProblemAlert error={run.error} retry={() => run.mutate()} title="The check did not run" />
    </Stack>
  );
}

function Running() {
  return (
    <Group gap="xs">
      <Loader size="xs" aria-hidden />
      <Text size="sm">Checking. Where something does not answer this takes up to two minutes.</Text>
      <Since />
    </Group>
  );
}

/** How long it has run; not for ears, each second. */
function Since() {
  const start = useNow(null);
  const now = useNow(1_000);
  return (
    <Text size="sm" c="dimmed" aria-hidden>
      {seconds((now - start) / 1_000)}
    </Text>
  );
}

function summary(report: CheckReport): string {
  const rows = report.nodes.flatMap(({ rows: all }) => all ?? []);
  const failed = rows.filter(({ result }) => result === 'failed').length;
  const warned = rows.filter(({ result }) => result === 'warning').length;
  const parts = [
    failed > 0 && `${failed} failed`,
    warned > 0 && plural(warned, 'warning'),
    `${rows.length - failed - warned} good`,
  ].filter(Boolean);
  return `${plural(rows.length, 'check')}: ${parts.join(', ')}.`;
}

function Report({ report }: { report: CheckReport }) {
  if (report.nodes.length === 0) return <Text size="sm">No node is connected: nothing was checked.</Text>;
  return (
    <Stack gap="sm">
      <Text size="sm" fw={600}>
        {summary(report)}
      </Text>
      {report.nodes.map(({ node, error, rows }) => (
        <Stack key={node} gap="xs">
          {error && (
            <Alert color="red" title={`${node} was not checked`}>
              <Text size="sm" className="wrap">
                {error}
              </Text>
            </Alert>
          )}
          {(rows?.length ?? 0) > 0 && (
            <>
              <Title order={3}>Checks at {node}, faults first</Title>
              <StackedTable
                label={`Checks at ${node}, faults first`}
                columns={[
                  ['Result', 110],
                  ['What', 170],
                  ['Where', 240],
                  'Found, and what to do',
                  ['Time', 90],
                ]}
              >
                {faultsFirst(rows ?? []).map((row, index) => (
                  // None of them moves.
                  <Table.Tr key={index}>
                    <Cell of="Result">
                      <Badge variant="light" color={RESULTS[row.result].colour} tt="none" miw="max-content">
                        {RESULTS[row.result].word}
                      </Badge>
                    </Cell>
                    <Cell of="What">{CHECKS[row.what]}</Cell>
                    <Cell of="Where">
                      {row.where}
                      {(row.sections?.length ?? 0) > 0 && (
                        <Text size="xs" c="dimmed" className="wrap">
                          {row.sections?.join(', ')}
                        </Text>
                      )}
                    </Cell>
                    <Cell of="Found">
                      {row.found}
                      {row.remedy && (
                        <Text size="sm">
                          <b>What to do:</b> {row.remedy}
                        </Text>
                      )}
                    </Cell>
                    <Cell of="Time">
                      <span className="nowrap">{row.milliseconds} ms</span>
                    </Cell>
                  </Table.Tr>
                ))}
              </StackedTable>
            </>
          )}
        </Stack>
      ))}
    </Stack>
  );
}
