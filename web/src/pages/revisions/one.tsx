/** One revision: what it changed, what the nodes said of it, what it configures, and back to it. */
import {
  Accordion,
  Alert,
  Anchor,
  Badge,
  Button,
  Code,
  Group,
  List,
  NativeSelect,
  Paper,
  Stack,
  Table,
  Text,
  Title,
} from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { History, Undo2 } from 'lucide-react';
import { useState } from 'react';
import { ApiError, type Schemas } from '@/api/client';
import { CopyBlock } from '@/components/copy';
import { Diff } from '@/components/diff';
import { Empty } from '@/components/empty';
import { Loaded, Page } from '@/components/page';
import { Time } from '@/components/time';
import { useSession } from '@/session';
import { diffQuery, revisionNumber, revisionQuery, revisionsQuery } from './queries';
import { Rollback } from './rollback';
import { RevisionState } from './state';

export function RevisionPage() {
  const { number: text } = useParams({ strict: false });
  const number = revisionNumber(text) ?? 0;
  const query = useQuery({ ...revisionQuery(number), retry: false });
  const [opened, setOpened] = useState(false);
  const { may } = useSession();
  if (query.error instanceof ApiError && query.error.status === 404 && !query.data) {
    return (
      <Page title={`Revision ${text}`}>
        <Empty
          icon={History}
          title={`There is no revision ${text}`}
          action={
            <Anchor component={Link} to="/revisions">
              To the revisions
            </Anchor>
          }
        >
          The last 1,000 are kept.
        </Empty>
      </Page>
    );
  }
  const data = query.data;
  return (
    <Page
      title={`Revision ${text}`}
      lead={
        data && (
          <Group gap="xs" component="span">
            <RevisionState
              newest={data.served}
              refusedBy={data.nodes.filter(({ type }) => type === 'refused').map(({ node }) => node)}
              applied={data.nodes.some(({ type }) => type === 'applied')}
            />
            <Text size="sm" className="wrap" component="span">
              {data.message || 'no reason given'}, by {data.author}, <Time ms={data.created_at_ms} />
            </Text>
          </Group>
        )
      }
      actions={
        data &&
        !data.served &&
        (may('admin') ? (
          <Button leftSection={<Undo2 size={16} aria-hidden />} onClick={() => setOpened(true)}>
            Go back to this revision
          </Button>
        ) : (
          <Text size="sm" c="dimmed">
            The role admin may go back to it.
          </Text>
        ))
      }
    >
      <Loaded query={query}>
        {(revision) => (
          <>
            <Changes number={number} />
            <OfNodes nodes={revision.nodes} served={revision.served} />
            <Accordion variant="separated">
              <Accordion.Item value="configuration">
                <Accordion.Control>
                  <Title order={2} size="h3">
                    What it configures
                  </Title>
                </Accordion.Control>
                <Accordion.Panel>
                  <CopyBlock
                    text={JSON.stringify(revision.configuration, null, 2)}
                    label="The configuration, secrets masked"
                  />
                </Accordion.Panel>
              </Accordion.Item>
            </Accordion>
          </>
        )}
      </Loaded>
      <Rollback number={number} opened={opened} onClose={() => setOpened(false)} />
    </Page>
  );
}

/** What it changed, against the one before or any other. */
function Changes({ number }: { number: number }) {
  const search = useSearch({ strict: false }) as { with?: string };
  const navigate = useNavigate();
  const others = useQuery(revisionsQuery({}));
  const before = number - 1;
  const from = revisionNumber(search.with) ?? before;
  const query = useQuery({ ...diffQuery(number, from), retry: false });
  const known = (others.data?.items ?? []).map((one) => one.number).filter((one) => one !== number);
  const numbers = [...new Set([...known, before, from])].filter((one) => one >= 0).sort((a, b) => b - a);
  const label = (one: number) =>
    one === 0 ? 'nothing' : one === before ? `revision ${one}, the one before` : `revision ${one}`;
  return (
    <Paper withBorder p="md" radius="md" component="section" aria-label="What it changed">
      <Stack gap="sm">
        <Group justify="space-between" align="flex-end" gap="sm">
          <Title order={2}>What it changed</Title>
          <NativeSelect
            label="Compared with"
            value={String(from)}
            data={numbers.map((one) => ({ value: String(one), label: label(one) }))}
            onChange={(event) => {
              const chosen = Number(event.currentTarget.value);
              void navigate({
                to: `/revisions/${number}`,
                search: chosen === before ? {} : { with: String(chosen) },
                replace: true,
              });
            }}
          />
        </Group>
        <Loaded query={query}>{(differences) => <Diff differences={differences} />}</Loaded>
      </Stack>
    </Paper>
  );
}

function OfNodes({ nodes, served }: { nodes: Schemas['RevisionOfNode'][]; served: boolean }) {
  return (
    <Paper withBorder p="md" radius="md" component="section" aria-label="What the nodes said">
      <Stack gap="xs">
        <Title order={2}>What the nodes said</Title>
        {nodes.length === 0 ? (
          <Text size="sm" c="dimmed">
            {served ? 'No node has answered yet.' : 'No node answered while it was the newest.'}
          </Text>
        ) : (
          <Table.ScrollContainer minWidth={280}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Node</Table.Th>
                  <Table.Th>Verdict</Table.Th>
                  <Table.Th>When</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {nodes.map((one) => (
                  <Table.Tr key={one.node}>
                    <Table.Td className="wrap">{one.node}</Table.Td>
                    <Table.Td>
                      <Badge
                        color={one.type === 'applied' ? 'green' : 'red'}
                        variant="light"
                        tt="none"
                        miw="max-content"
                      >
                        {one.type}
                      </Badge>
                    </Table.Td>
                    <Table.Td>
                      <Time ms={one.at_ms} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
        {nodes.map(
          (one) =>
            one.type === 'refused' && (
              <Alert key={one.node} color="red" title={`${one.node} refused it`}>
                <List size="sm">
                  {one.faults.map((fault) => (
                    <List.Item key={fault.path + fault.message} className="wrap">
                      <Code>{fault.path}</Code> {fault.message}
                    </List.Item>
                  ))}
                </List>
              </Alert>
            ),
        )}
      </Stack>
    </Paper>
  );
}
