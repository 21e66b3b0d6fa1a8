import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Plus, Server } from 'lucide-react';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { aboutQuery, nodesQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { TextLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { NodeActions } from './actions';
import { Checks } from './checks';
import { Facts, RefusalAlert, StateBadge } from './facts';
import { JoinModal, WaitingTokens } from './join';

type NodeView = Schemas['NodeView'];

/** From how many on there is a field to find one. */
const MANY = 6;

/** Whether it takes logins now. */
export function takes(node: NodeView): boolean {
  return node.connected && !node.draining;
}

export function NodesPage() {
  const { q = '' } = useSearch({ from: '/shell/nodes' });
  const navigate = useNavigate({ from: '/nodes' });
  const { may } = useSession();
  const query = useQuery(nodesQuery);
  const revision = useQuery({ ...aboutQuery, refetchInterval: 5_000 }).data?.revision ?? null;
  const [joining, setJoining] = useState(false);
  return (
    <Page
      title="Nodes"
      lead="Data planes that answer RADIUS, here and on other machines. All serve the same revisions."
      actions={
        may('admin') && (
          <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setJoining(true)}>
            Add a node
          </Button>
        )
      }
    >
      <JoinModal opened={joining} close={() => setJoining(false)} />
      <Loaded query={query}>
        {({ items, total }) => {
          const wanted = q.toLowerCase();
          const shown = items.filter(({ node }) => node.toLowerCase().includes(wanted));
          return (
            <Stack gap="md">
              {(items.length > MANY || q !== '') && (
                <Group>
                  <Find
                    label="Find a node"
                    text={q}
                    found={(text) =>
                      void navigate({ search: text ? { q: text } : {}, replace: true, resetScroll: false })
                    }
                  />
                </Group>
              )}
              {items.length === 0 && (
                <Empty icon={Server} title="No node yet">
                  A gateway that is run with <code>countersign run</code> has one of its own as soon as it has
                  a configuration. Others join with a token.
                </Empty>
              )}
              {items.length > 0 && shown.length === 0 && (
                <Text size="sm">No node has “{q}” in its name.</Text>
              )}
              {shown.map((node) => (
                <Row
                  key={node.node}
                  node={node}
                  revision={revision}
                  others={items.filter((other) => other.node !== node.node && takes(other)).length}
                />
              ))}
              {total > items.length && (
                <Text size="sm">
                  Shown are {plural(items.length, 'node')} of {total}.
                </Text>
              )}
            </Stack>
          );
        }}
      </Loaded>
      {may('admin') && <WaitingTokens />}
      <Title order={2}>Checks</Title>
      <Checks />
    </Page>
  );
}

function Row({ node, revision, others }: { node: NodeView; revision: number | null; others: number }) {
  return (
    <Paper component="section" withBorder p="md" aria-label={`Node ${node.node}`}>
      <Stack gap="sm">
        <Group justify="space-between" gap="xs">
          <Group gap="xs">
            <TextLink
              underline="always"
              to="/nodes/$node"
              params={{ node: node.node }}
              fw={650}
              className="wrap"
            >
              {node.node}
            </TextLink>
            <StateBadge node={node} revision={revision} />
          </Group>
          <NodeActions node={node} others={others} />
        </Group>
        <RefusalAlert node={node} />
        <Facts node={node} revision={revision} />
      </Stack>
    </Paper>
  );
}
