import { Alert, Badge, Code, Group, List, Loader, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '@/api/client';
import { nodesQuery } from '@/api/queries';
import { servesOf } from '@/pages/nodes/words';
import { ProblemAlert } from './problem';

type NodeView = Schemas['NodeView'];

export type Verdict = 'applied' | 'refused' | 'waiting' | 'away';

/** What a node has made of a revision. One that is away gets it when it is back. */
export function verdictOf(node: NodeView, revision: number): Verdict {
  if (node.refused?.revision === revision) return 'refused';
  if (node.applied != null && node.applied >= revision) return 'applied';
  return node.connected ? 'waiting' : 'away';
}

const SHOWN: Record<Verdict, { colour: string; text: string }> = {
  applied: { colour: 'green', text: 'applied' },
  refused: { colour: 'red', text: 'refused' },
  waiting: { colour: 'blue', text: 'waiting' },
  away: { colour: 'gray', text: 'away' },
};

/** Each node's answer to a revision, asked until all that are connected have given one. */
export function Verdicts({ revision }: { revision: number }) {
  const query = useQuery({
    ...nodesQuery,
    refetchInterval: ({ state }) =>
      state.data?.items.some((node) => verdictOf(node, revision) === 'waiting') ? 500 : 5_000,
  });
  const nodes = query.data?.items ?? [];
  const verdicts = nodes.map((node) => ({ node, verdict: verdictOf(node, revision) }));
  const refused = verdicts.filter(({ verdict }) => verdict === 'refused');
  const waiting = verdicts.some(({ verdict }) => verdict === 'waiting');
  const applied = verdicts.filter(({ verdict }) => verdict === 'applied').length;
  return (
    <Stack gap="xs" aria-live="polite">
      <Group gap="xs">
        {waiting && <Loader size="xs" aria-label="Nodes are being told" role="status" />}
        <Text size="sm" fw={600}>
          Revision {revision}:{' '}
          {nodes.length === 0 ? 'no node yet' : `applied by ${applied} of ${nodes.length}`}
        </Text>
      </Group>
      <ProblemAlert error={query.error} />
      {nodes.length > 0 && (
        <Table.ScrollContainer minWidth={260}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Node</Table.Th>
                <Table.Th>Verdict</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {verdicts.map(({ node, verdict }) => (
                <Table.Tr key={node.node}>
                  <Table.Td>{node.node}</Table.Td>
                  <Table.Td>
                    <Badge variant="light" color={SHOWN[verdict].colour} tt="none">
                      {SHOWN[verdict].text}
                    </Badge>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {refused.map(({ node }) => (
        <Alert
          key={node.node}
          color="red"
          title={`${node.node} refused it, and ${servesOf(node)}`}
          role="alert"
        >
          <List size="sm">
            {node.refused?.faults.map((fault) => (
              <List.Item key={fault.path + fault.message} className="wrap">
                <Code>{fault.path}</Code> {fault.message}
              </List.Item>
            ))}
          </List>
        </Alert>
      ))}
    </Stack>
  );
}
