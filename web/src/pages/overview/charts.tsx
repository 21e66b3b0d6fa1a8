import { Group, SegmentedControl, Table, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Schemas } from '@/api/client';
import { Chart } from '@/components/chart/chart';
import type { Look } from '@/components/chart/style';
import { Swatch } from '@/components/chart/swatch';
import { TextLink } from '@/components/links';
import { count, micros } from '@/lib/format';
import { Card } from './card';
import {
  barOf,
  lines,
  nowOf,
  readBucket,
  readStage,
  SHOWN,
  STAGE_WORDS,
  stacked,
  summaryOfLogins,
  summaryOfStage,
  tableOfLogins,
  tableOfStage,
  totals,
} from './series';
import { moment, type Window } from './window';

type Overview = Schemas['Overview'];

const HEIGHT = 220;
const BARS = [...SHOWN].reverse().map(({ label, look }) => ({ label, look }));

function rangeOf({ since_ms, buckets, bucket_ms }: Overview): [number, number] {
  const end = (buckets.at(-1)?.at_ms ?? since_ms) + bucket_ms;
  return [since_ms / 1_000, end / 1_000];
}

/** How logins ended, over time. */
export function LoginsChart({ overview, window }: { overview: Overview; window: Window }) {
  const navigate = useNavigate();
  const data = useMemo(() => stacked(overview), [overview]);
  const sum = totals(overview);
  const from = moment(overview.since_ms);
  return (
    <Card
      title="Logins over time"
      aside={
        sum.all > 0 && (
          <Text size="sm" c="dimmed">
            {barOf(overview)}
          </Text>
        )
      }
    >
      {sum.all === 0 ? (
        <Text size="sm" className="wrap">
          No login in the last {window.words}.{' '}
          <TextLink underline="always" to="/try-login">
            Try one
          </TextLink>
          , or look how a device is connected at its{' '}
          <TextLink underline="always" to="/integrations">
            integration
          </TextLink>
          .
        </Text>
      ) : (
        <Chart
          kind="bar"
          label={`Logins by outcome, ${barOf(overview)}, the last ${window.words}`}
          summary={summaryOfLogins(overview, window.words)}
          height={HEIGHT}
          series={BARS}
          data={data}
          range={rangeOf(overview)}
          format={count}
          legend={SHOWN.map(({ outcome, label, look }) => (
            <Group key={outcome} gap={6} wrap="nowrap">
              <Swatch look={look} />
              <TextLink underline="always" to="/logins" search={{ outcome, from }} size="sm">
                {label} {count(sum[outcome])}
              </TextLink>
            </Group>
          ))}
          read={(index) => {
            const bucket = overview.buckets[index];
            return bucket ? readBucket(bucket, overview.bucket_ms) : '';
          }}
          onOpen={(index) => {
            const bucket = overview.buckets[index];
            if (!bucket) return;
            void navigate({
              to: '/logins',
              search: { from: moment(bucket.at_ms), to: moment(bucket.at_ms + overview.bucket_ms) },
            });
          }}
          table={{
            caption: 'Logins by outcome, the newest first; times without any are left out',
            heads: ['From', ...SHOWN.map(({ label }) => label), 'all'],
            rows: tableOfLogins(overview),
          }}
        />
      )}
    </Card>
  );
}

const P50: Look = { light: '#3f57c4', dark: '#93a6ed' };
const P99: Look = { light: '#a8480b', dark: '#ffc078', dash: [6, 4] };
const PERCENTILES = [
  { label: 'p50: half waited no longer', look: P50 },
  { label: 'p99: 99 of 100 waited no longer', look: P99 },
];

const milliseconds = (value: number) => (value === 0 ? '0' : micros(value * 1_000));

/** How long logins waited for each stage, now and over time. */
export function LatencyChart({ overview, stage: wanted }: { overview: Overview; stage: string | undefined }) {
  const navigate = useNavigate({ from: '/' });
  const stage = overview.stages.find((one) => one.stage === wanted) ?? overview.stages[0];
  const data = useMemo(() => (stage ? lines(stage) : []), [stage]);
  const { events, of } = overview.sampled;
  if (!stage) {
    return (
      <Card title="Time by stage">
        <Text size="sm">As soon as somebody logs in, this shows how long each stage took.</Text>
      </Card>
    );
  }
  return (
    <Card
      title="Time by stage"
      aside={
        <SegmentedControl
          size="xs"
          aria-label="Stage"
          value={stage.stage}
          onChange={(next) =>
            void navigate({
              search: (before) => ({ ...before, stage: next }),
              replace: true,
              resetScroll: false,
            })
          }
          data={overview.stages.map((one) => ({
            value: one.stage,
            label: STAGE_WORDS[one.stage]?.label ?? one.stage,
          }))}
        />
      }
    >
      <Table.ScrollContainer minWidth={300} type="native">
        <Table aria-label="Time by stage, now and in all">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Stage</Table.Th>
              <Table.Th>p50 now</Table.Th>
              <Table.Th>p99 now</Table.Th>
              <Table.Th>p50</Table.Th>
              <Table.Th>p99</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {overview.stages.map((one) => {
              const now = nowOf(one);
              return (
                <Table.Tr key={one.stage}>
                  <Table.Td>{STAGE_WORDS[one.stage]?.label ?? one.stage}</Table.Td>
                  <Table.Td className="nowrap">{now ? micros(now.p50_us) : '–'}</Table.Td>
                  <Table.Td className="nowrap">{now ? micros(now.p99_us) : '–'}</Table.Td>
                  <Table.Td className="nowrap">{micros(one.p50_us)}</Table.Td>
                  <Table.Td className="nowrap">{micros(one.p99_us)}</Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Chart
        kind="line"
        label={`How long logins waited: ${STAGE_WORDS[stage.stage]?.label ?? stage.stage}`}
        summary={summaryOfStage(stage)}
        height={180}
        series={PERCENTILES}
        data={data}
        range={rangeOf(overview)}
        format={milliseconds}
        read={(index) => {
          const bucket = stage.buckets[index];
          return bucket ? readStage(bucket, overview.bucket_ms) : '';
        }}
        table={{
          caption: `${STAGE_WORDS[stage.stage]?.label ?? stage.stage} over time, the newest first`,
          heads: ['From', 'requests', 'p50', 'p90', 'p99'],
          rows: tableOfStage(stage),
        }}
      />
      {events < of && (
        <Text size="xs" c="dimmed">
          Told from the newest {count(events)} of {count(of)} requests.
        </Text>
      )}
    </Card>
  );
}
