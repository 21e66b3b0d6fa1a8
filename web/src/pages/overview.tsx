import { Button, Group, Paper, SegmentedControl, Text } from '@mantine/core';
import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { LockOpen, Rocket } from 'lucide-react';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { aboutQuery, draftsQuery, integrationsQuery, nodesQuery, primaryOnlyQuery } from '@/api/queries';
import { Empty } from '@/components/empty';
import { ButtonLink, TextLink } from '@/components/links';
import { Loading, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { useNow } from '@/components/time';
import { count, plural } from '@/lib/format';
import { useSession } from '@/session';
import { Tile } from './overview/card';
import { LatencyChart, LoginsChart } from './overview/charts';
import { Authenticators, Certificates, SecondFactors, TopReasons, UnsignedClients } from './overview/health';
import classes from './overview/overview.module.css';
import { PrimaryOnlyAlarms, StartPrimaryOnly } from './overview/primary-only';
import { totals } from './overview/series';
import { FindUser, Status } from './overview/status';
import { troublesOf } from './overview/troubles';
import { verdicts } from './overview/verdicts';
import { moment, WINDOWS, type Window, windowOf } from './overview/window';

type NodeView = Schemas['NodeView'];

/** How often it is asked anew, in milliseconds. A hidden tab does not ask. */
const EVERY = 5_000;

const overviewQuery = (minutes: number) => ({
  queryKey: ['overview', minutes] as const,
  queryFn: () => ask(api.GET('/api/v1/overview', { params: { query: { minutes } } })),
  refetchInterval: EVERY,
  placeholderData: keepPreviousData,
});

/** The gateway's clock, and how far it is ahead of this machine's; an answer's way is in it. */
const clockQuery = {
  ...aboutQuery,
  refetchInterval: 30_000,
};

export function OverviewPage() {
  const search = useSearch({ from: '/shell/' });
  const navigate = useNavigate({ from: '/' });
  const { may } = useSession();
  const window = windowOf(search.minutes);
  const overview = useQuery(overviewQuery(window.minutes));
  const integrations = useQuery(integrationsQuery);
  const [starting, setStarting] = useState(false);

  if (integrations.isPending) return <Loading />;
  if (integrations.data?.total === 0) return <NothingYet />;
  return (
    <Page
      title="Overview"
      actions={
        <>
          <SegmentedControl
            aria-label="How far to look back"
            size="sm"
            value={String(window.minutes)}
            onChange={(minutes) =>
              void navigate({ search: (before) => ({ ...before, minutes }), resetScroll: false })
            }
            data={WINDOWS.map(({ minutes, label }) => ({ value: String(minutes), label }))}
          />
          {may('admin') && (
            <Button
              variant="default"
              leftSection={<LockOpen size={16} aria-hidden />}
              onClick={() => setStarting(true)}
            >
              Primary only…
            </Button>
          )}
        </>
      }
    >
      <StartPrimaryOnly opened={starting} close={() => setStarting(false)} />
      <Body overview={overview} integrations={integrations} window={window} stage={search.stage} />
    </Page>
  );
}

function Body({
  overview: asked,
  integrations,
  window,
  stage,
}: {
  overview: UseQueryResult<Schemas['Overview']>;
  integrations: UseQueryResult<unknown>;
  window: Window;
  stage: string | undefined;
}) {
  const nodes = useQuery(nodesQuery);
  const primaryOnly = useQuery(primaryOnlyQuery);
  const about = useQuery(clockQuery);
  const drafts = useQuery(draftsQuery);
  const now = useNow(EVERY);
  const troubles = troublesOf([asked, integrations, nodes, primaryOnly, about, drafts]).map(
    ({ error, isOld, retry }, place) => (
      // As many as there are kinds, and none moves.
      <ProblemAlert
        key={place}
        error={error}
        retry={retry}
        title={isOld ? 'What is shown may be out of date' : undefined}
      />
    ),
  );
  const overview = asked.data;
  if (!overview) return troubles.length > 0 ? troubles : <Loading />;
  const revision = about.data?.revision ?? null;
  const items = nodes.data?.items ?? [];
  const grants = primaryOnly.data?.grants ?? [];
  const ready = nodes.data && primaryOnly.data && about.data;
  const findings = verdicts({
    overview,
    nodes: items,
    grants,
    revision,
    drafts: drafts.data?.total ?? 0,
    clockAhead: about.data ? about.data.now_ms - about.dataUpdatedAt : 0,
    now,
  });
  return (
    <>
      {troubles}
      <PrimaryOnlyAlarms grants={grants} />
      <div className={classes.halves}>
        {ready ? (
          <Status findings={findings} />
        ) : troubles.length > 0 ? null : (
          <Paper withBorder p="md">
            <Loading />
          </Paper>
        )}
        <FindUser />
      </div>
      <Tiles overview={overview} nodes={items} revision={revision} drafts={drafts.data?.total ?? 0} />
      <div className={classes.halves}>
        <LoginsChart overview={overview} window={window} />
        <TopReasons overview={overview} />
      </div>
      <div className={classes.thirds}>
        <Authenticators overview={overview} />
        <SecondFactors overview={overview} />
      </div>
      <LatencyChart overview={overview} stage={stage} />
      <div className={classes.thirds}>
        <UnsignedClients overview={overview} />
        <Certificates overview={overview} now={now} />
      </div>
      {about.data && (
        <Text size="xs" c="dimmed" className="wrap">
          Countersign {about.data.version}, {about.data.database === 'sqlite' ? 'SQLite' : 'PostgreSQL'}
          {about.data.configuration.kind === 'file' &&
            `, configured by ${about.data.configuration.path ?? 'the file of another control plane'}`}
          . Updated every {EVERY / 1_000} seconds while this page is visible.
        </Text>
      )}
    </>
  );
}

function Tiles({
  overview,
  nodes,
  revision,
  drafts,
}: {
  overview: Schemas['Overview'];
  nodes: readonly NodeView[];
  revision: number | null;
  drafts: number;
}) {
  const sum = totals(overview);
  const from = moment(overview.since_ms);
  const up = nodes.filter(({ connected }) => connected).length;
  const refused = nodes.filter((node) => node.refused).length;
  const flight = nodes.reduce((all, node) => all + (node.status?.logins_in_flight ?? 0), 0);
  return (
    <div className={classes.tiles}>
      <Tile title="Nodes up" value={`${up} of ${nodes.length}`}>
        <Group gap="xs">
          <TextLink underline="always" to="/nodes" size="sm">
            {refused > 0 ? `${plural(refused, 'refusal')}: show the nodes` : 'Show the nodes'}
          </TextLink>
        </Group>
      </Tile>
      <Tile title="Revision" value={revision ?? 'none'}>
        <Served nodes={nodes} revision={revision} />
        {drafts > 0 && (
          <>
            {' '}
            <TextLink underline="always" to="/drafts" size="sm">
              {plural(drafts, 'draft')}
            </TextLink>
          </>
        )}
      </Tile>
      <Tile title="Accepted" value={count(sum.accept)}>
        <TextLink underline="always" to="/logins" search={{ outcome: 'accept', from }} size="sm">
          of {plural(sum.all, 'request')}
        </TextLink>
      </Tile>
      <Tile title="Rejected" value={count(sum.reject)}>
        <TextLink underline="always" to="/logins" search={{ outcome: 'reject', from }} size="sm">
          Show the rejected
        </TextLink>
      </Tile>
      <Tile title="In flight" value={count(flight)}>
        {flight === 1 ? 'login waits now' : 'logins wait now'}
      </Tile>
    </div>
  );
}

/** Which nodes do not serve the newest revision. */
function Served({ nodes, revision }: { nodes: readonly NodeView[]; revision: number | null }) {
  const behind = nodes.filter(({ applied }) => revision !== null && (applied ?? 0) < revision);
  if (behind.length === 0) {
    return (
      <TextLink underline="always" to="/revisions" size="sm">
        {nodes.length === 0 ? 'All revisions' : 'Served by every node'}
      </TextLink>
    );
  }
  return behind.slice(0, 3).map(({ node, applied }) => (
    <div key={node}>
      <TextLink underline="always" to="/nodes/$node" params={{ node }} size="sm">
        {node} serves {applied ?? 'nothing'}
      </TextLink>
    </div>
  ));
}

function NothingYet() {
  const about = useQuery(aboutQuery);
  return (
    <Page title="Overview">
      <Empty
        icon={Rocket}
        title="Nothing is set up yet"
        action={<ButtonLink to="/welcome">Set up the first integration</ButtonLink>}
      >
        Countersign asks for a second factor where a device asks it by RADIUS. It takes three things: which
        device asks, who checks the password, and who asks for the second factor. Do you have an{' '}
        <code>authproxy.cfg</code>? It can be taken over as it is, in the{' '}
        <TextLink underline="always" to="/configuration">
          text editor
        </TextLink>
        .
      </Empty>
      {about.data && (
        <Text size="xs" c="dimmed">
          Countersign {about.data.version}
        </Text>
      )}
    </Page>
  );
}
