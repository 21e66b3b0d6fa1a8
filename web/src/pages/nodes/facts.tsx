import { Alert, Badge, Code, List, Text, Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '@/api/client';
import { aboutQuery } from '@/api/queries';
import { TextLink } from '@/components/links';
import { Time } from '@/components/time';
import { count, seconds } from '@/lib/format';
import classes from './nodes.module.css';
import { servesOf, stateOf } from './words';

type NodeView = Schemas['NodeView'];

export function StateBadge({ node, revision }: { node: NodeView; revision: number | null }) {
  const { word, colour, about } = stateOf(node, revision);
  return (
    <Tooltip label={about}>
      <Badge variant="light" color={colour} tt="none">
        {word}
      </Badge>
    </Tooltip>
  );
}

/** What is known of a node, fact by fact. */
export function Facts({ node, revision }: { node: NodeView; revision: number | null }) {
  const { status } = node;
  return (
    <dl className={classes.facts}>
      <div>
        <dt>Revision</dt>
        <dd>
          {node.applied ?? 'none'}
          {revision !== null && node.applied !== revision && ` of ${revision}`}
        </dd>
      </div>
      <div>
        <dt>In flight</dt>
        <dd>{status ? count(status.logins_in_flight) : 'unknown'}</dd>
      </div>
      <div>
        <dt>Events dropped</dt>
        <dd>
          {status ? (
            status.events_dropped > 0 ? (
              <Text span inherit fw={650} c="var(--mantine-color-red-text)">
                {count(status.events_dropped)}
              </Text>
            ) : (
              'none'
            )
          ) : (
            'unknown'
          )}
        </dd>
      </div>
      <div>
        <dt>Last heard of</dt>
        <dd>
          <Time ms={node.last_seen_ms} form="relative" />
        </dd>
      </div>
      <div>
        <dt>Version</dt>
        <dd>{status?.version ?? 'unknown'}</dd>
      </div>
      <div>
        <dt>Runs for</dt>
        <dd>{status ? seconds(status.uptime_seconds) : 'unknown'}</dd>
      </div>
      <div>
        <dt>From</dt>
        <dd className="mono">{node.address ?? 'this machine'}</dd>
      </div>
      <div>
        <dt>Certificate until</dt>
        <dd>
          {node.certificate_until_ms == null ? (
            'needs none'
          ) : (
            <>
              <Time ms={node.certificate_until_ms} form="day" />
              <Text span inherit c="dimmed" display="block">
                <Time ms={node.certificate_until_ms} form="relative" />
              </Text>
            </>
          )}
        </dd>
      </div>
    </dl>
  );
}

/** Why a node refused its last revision, what it serves meanwhile, and the way out. */
export function RefusalAlert({ node }: { node: NodeView }) {
  const about = useQuery(aboutQuery).data;
  if (!node.refused) return null;
  const file = about?.configuration.kind === 'file';
  return (
    <Alert
      color="red"
      title={`${node.node} refused revision ${node.refused.revision}, and ${servesOf(node)}`}
    >
      <Text size="sm">
        <Time ms={node.refused.at_ms} />
      </Text>
      <List size="sm">
        {node.refused.faults.map((fault) => (
          <List.Item key={fault.path + fault.message} className="wrap">
            <Code>{fault.path}</Code> {fault.message}
          </List.Item>
        ))}
      </List>
      <Text size="sm" mt={4} className="wrap">
        <b>What to do:</b>{' '}
        {file
          ? 'put that right at the node, or in the file, which is read again by itself.'
          : 'put that right at the node, or change it here and apply it:'}{' '}
        <TextLink underline="always" to="/configuration" inherit>
          {file ? 'Show the file' : 'Open the text editor'}
        </TextLink>
        {!file && (
          <>
            {' or '}
            <TextLink underline="always" to="/revisions" inherit>
              go back to a revision
            </TextLink>
          </>
        )}
      </Text>
    </Alert>
  );
}
