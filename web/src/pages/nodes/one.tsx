import { Alert, Code, Paper, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { LockOpen, Server } from 'lucide-react';
import type { ReactNode } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { aboutQuery, nodesQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { Time } from '@/components/time';
import { NodeActions } from './actions';
import { Checks } from './checks';
import { Facts, RefusalAlert, StateBadge } from './facts';
import { takes } from './list';
import { SOURCES, stateOf } from './words';

type NodeView = Schemas['NodeView'];
type NodeStatus = Schemas['NodeStatus'];

export function NodePage() {
  const { node: name } = useParams({ from: '/shell/nodes/$node' });
  const navigate = useNavigate();
  const query = useQuery({
    queryKey: ['nodes', name],
    queryFn: () => ask(api.GET('/api/v1/nodes/{node}', { params: { path: { node: name } } })),
    refetchInterval: 5_000,
  });
  const all = useQuery(nodesQuery).data?.items ?? [];
  const revision = useQuery({ ...aboutQuery, refetchInterval: 5_000 }).data?.revision ?? null;
  if (query.error instanceof ApiError && query.error.status === 404) {
    return (
      <Page title={`Node ${name}`}>
        <Empty
          icon={Server}
          title="There is no such node"
          action={
            <TextLink underline="always" to="/nodes">
              All nodes
            </TextLink>
          }
        >
          It was removed, or it never joined.
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title={`Node ${name}`}
      actions={
        query.data && (
          <NodeActions
            node={query.data}
            others={all.filter((other) => other.node !== name && takes(other)).length}
            removed={() => void navigate({ to: '/nodes' })}
          />
        )
      }
    >
      <Loaded query={query}>{(node) => <Body node={node} revision={revision} />}</Loaded>
    </Page>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Paper component="section" withBorder p="md" aria-label={title}>
      <Stack gap="xs">
        <Title order={2}>{title}</Title>
        {children}
      </Stack>
    </Paper>
  );
}

function Body({ node, revision }: { node: NodeView; revision: number | null }) {
  const { status } = node;
  return (
    <>
      <RefusalAlert node={node} />
      {status && <PrimaryOnly status={status} />}
      <Paper component="section" withBorder p="md" aria-label="Status">
        <Stack gap="sm">
          <Text size="sm" component="div">
            <StateBadge node={node} revision={revision} /> {stateOf(node, revision).about}
            {status && ` Configured from ${SOURCES[status.source]}.`}
          </Text>
          <Facts node={node} revision={revision} />
          <Text size="sm">
            <TextLink underline="always" to="/logins" search={{ node: node.node }}>
              Its latest logins
            </TextLink>
          </Text>
        </Stack>
      </Paper>
      {status && <Listeners listeners={status.listeners} />}
      {status && <Certificates certificates={status.certificates ?? []} />}
      <Part title="Checks">
        <Checks node={node.node} />
      </Part>
    </>
  );
}

function PrimaryOnly({ status }: { status: NodeStatus }) {
  return status.primary_only?.map((grant) => (
    <Alert
      key={grant.until_ms + grant.integrations.join()}
      color="red"
      icon={<LockOpen size={20} aria-hidden />}
      title="Primary only is in force here"
    >
      <Text size="sm" className="wrap">
        The second factor is not asked for at {grant.integrations.join(', ')} until{' '}
        <Time ms={grant.until_ms} />. Granted by {grant.by}: {grant.reason}.{' '}
        <TextLink underline="always" to="/">
          It is ended at the overview.
        </TextLink>
      </Text>
    </Alert>
  ));
}

function IntegrationLinks({ ids }: { ids: readonly string[] }) {
  return ids.map((id, place) => (
    <span key={id}>
      {place > 0 && ', '}
      <TextLink underline="always" to="/integrations/$id" params={{ id }} size="sm" className="wrap">
        {id}
      </TextLink>
    </span>
  ));
}

function Listeners({ listeners }: { listeners: NodeStatus['listeners'] }) {
  return (
    <Part title="Where it listens">
      {listeners.length === 0 ? (
        <Text size="sm">Nowhere: it serves no integration now.</Text>
      ) : (
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Address (UDP)</Table.Th>
              <Table.Th>Integrations</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {listeners.map(({ address, integrations }) => (
              <Table.Tr key={address}>
                <Table.Td className="wrap">
                  <Code>{address}</Code>
                </Table.Td>
                <Table.Td className="wrap">
                  <IntegrationLinks ids={integrations} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Part>
  );
}

function Certificates({ certificates }: { certificates: Schemas['CertificateStatus'][] }) {
  if (certificates.length === 0) return null;
  return (
    <Part title="EAP certificates">
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Integration</Table.Th>
            <Table.Th>Until</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {certificates.map(({ integration, not_after }) => (
            <Table.Tr key={integration}>
              <Table.Td>
                <IntegrationLinks ids={[integration]} />
              </Table.Td>
              <Table.Td>
                <Time ms={not_after * 1_000} /> (<Time ms={not_after * 1_000} form="relative" />)
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Part>
  );
}
