import { Alert, Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { nodesQuery } from '@/api/queries';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Verdicts, verdictOf } from '@/components/verdicts';
import { capitalised, plural } from '@/lib/format';
import { CHECKS, faultsFirst, RESULTS } from '../nodes/words';
import { Onward, Step } from './frame';

type Row = Schemas['CheckRow'];

/** Whether all that is named can be reached, tried once the nodes serve it. */
export function CheckStep({
  revision,
  mend,
  integration,
  next,
}: {
  revision: number | null;
  /** Back to what was answered, where that can be done again. */
  mend: (() => void) | undefined;
  /** What was made, which is mended at its own page otherwise. */
  integration: string | null;
  next: () => void;
}) {
  const nodes = useQuery({ ...nodesQuery, refetchInterval: 1_000 });
  const check = useMutation({ mutationFn: () => ask(api.POST('/api/v1/checks', { body: {} })) });
  const connected = (nodes.data?.items ?? []).filter((node) => node.connected);
  const settled =
    connected.length > 0 &&
    (revision === null || connected.every((node) => verdictOf(node, revision) !== 'waiting'));
  const begun = useRef(false);
  const { mutate } = check;
  useEffect(() => {
    if (!settled || begun.current) return;
    begun.current = true;
    mutate();
  }, [settled, mutate]);
  const rows = check.data?.nodes.flatMap(({ rows = [] }) => rows) ?? [];
  const failed = rows.filter(({ result }) => result === 'failed').length;
  const warnings = rows.filter(({ result }) => result === 'warning').length;
  return (
    <Step
      title="Can everything be reached?"
      lead="Each node tries what the configuration names: ports, certificates, directories, the second factor. Nobody is logged in."
    >
      <Stack gap="md">
        {revision !== null && <Verdicts revision={revision} />}
        <ProblemAlert error={nodes.error} />
        {nodes.data && connected.length === 0 && (
          <Alert color="orange" title="No node is connected" role="status">
            <Text size="sm">
              A node answers the devices. One comes with <code className="mono">countersign run</code>; the
              check begins when it is there.
            </Text>
          </Alert>
        )}
        <div aria-live="polite">
          {check.isPending && (
            <Text size="sm" ta="center">
              This takes up to two minutes where something does not answer.
            </Text>
          )}
          {check.data && (
            <Text size="sm" fw={600}>
              {failed === 0 && warnings === 0
                ? `All ${plural(rows.length, 'thing')} that were tried are good.`
                : `${plural(failed, 'failed', 'failed')}, ${plural(warnings, 'warning')} of ${rows.length} that were tried.`}
            </Text>
          )}
        </div>
        {check.isPending && <Loading />}
        <ProblemAlert error={check.error} retry={() => check.mutate()} />
        {check.data?.nodes.map(({ node, error, rows = [] }) => (
          <section key={node} aria-label={`Node ${node}`}>
            {(check.data?.nodes.length ?? 0) > 1 && (
              <Title order={3} mb="xs">
                Node {node}
              </Title>
            )}
            {error && (
              <Alert color="red" title={`${node} was not checked`} role="alert">
                <Text size="sm" className="wrap">
                  {error}
                </Text>
              </Alert>
            )}
            <CheckRows rows={rows} />
          </section>
        ))}
      </Stack>
      <Onward>
        {mend && (
          <Button variant="default" onClick={mend} disabled={check.isPending}>
            Back, and fix it
          </Button>
        )}
        {!mend && integration && (
          <Button variant="default" component={Link} to={`/integrations/${integration}`}>
            Fix it at {integration}
          </Button>
        )}
        <Button
          variant="default"
          onClick={() => check.mutate()}
          loading={check.isPending}
          disabled={!settled}
        >
          Check again
        </Button>
        <Button onClick={next} disabled={check.isPending}>
          {failed > 0 ? 'Continue anyway' : 'Next'}
        </Button>
      </Onward>
    </Step>
  );
}

/** What was tried, the failed ones first. */
export function CheckRows({ rows }: { rows: readonly Row[] }) {
  return (
    <Stack gap="xs" component="ul" p={0} m={0} style={{ listStyle: 'none' }} aria-label="What was tried">
      {faultsFirst(rows).map((row, index) => (
        <Card component="li" withBorder p="sm" key={index}>
          <Group gap="xs" justify="space-between" wrap="nowrap" align="flex-start">
            <Text size="sm" className="wrap">
              <b>{capitalised(CHECKS[row.what])}</b> <span className="mono">{row.where}</span>
            </Text>
            <Badge variant="light" color={RESULTS[row.result].colour} tt="none" style={{ flexShrink: 0 }}>
              {RESULTS[row.result].word}
            </Badge>
          </Group>
          <Text size="sm" className="wrap">
            {row.found}
          </Text>
          {row.remedy && (
            <Text size="sm" className="wrap">
              <b>What to do:</b> {row.remedy}
            </Text>
          )}
          <Text size="xs" c="dimmed" className="wrap">
            {[
              row.sections?.map((section) => `[${section}]`).join(' '),
              row.from && `from ${row.from}`,
              `${row.milliseconds} ms`,
            ]
              .filter(Boolean)
              .join(' · ')}
          </Text>
        </Card>
      ))}
    </Stack>
  );
}
