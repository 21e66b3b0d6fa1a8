import { describe, expect, it } from 'vitest';
import type { Schemas } from '@/api/client';
import { certificateLevel, type Finding, headline, type Known, named, verdicts } from './verdicts';

const NOW = Date.UTC(2026, 10, 22, 15);
const DAY = 86_400_000;

const overview: Schemas['Overview'] = {
  since_ms: NOW - 3_600_000,
  until_ms: NOW,
  bucket_ms: 30_000,
  buckets: [],
  reasons: [],
  sampled: { events: 0, of: 0 },
  stages: [],
  authenticators: [],
  second_factor: [],
  certificates: [],
  unsigned_clients: { count: 0, first: [] },
};

const node = (more: Partial<Schemas['NodeView']> = {}): Schemas['NodeView'] => ({
  node: 'local',
  connected: true,
  last_seen_ms: NOW - 1_000,
  applied: 12,
  ...more,
});

const well: Known = {
  overview,
  nodes: [node()],
  grants: [],
  revision: 12,
  drafts: 0,
  clockAhead: 200,
  now: NOW,
};
const withOverview = (more: Partial<Schemas['Overview']>): Known => ({
  ...well,
  overview: { ...overview, ...more },
});
const authenticator = (asked: number, failed: number, unavailable: number) =>
  withOverview({ authenticators: [{ id: 'ad_client', asked, failed, unavailable, last_failure: null }] });
const factor = (asked: number, failed: number, fail_mode_used: number) =>
  withOverview({
    second_factor: [
      {
        integration: 'vpn',
        host: 'api.example.com',
        asked,
        failed,
        unavailable: failed,
        fail_mode_used,
        p50_us: null,
        last_failure: null,
      },
    ],
  });
const certificate = (what: 'eap' | 'node' | 'admin', days: number) =>
  withOverview({ certificates: [{ what, name: 'x', node: null, not_after_ms: NOW + days * DAY }] });

const line = ({ level, text, to }: Finding) => `${level} ${to ?? '-'} ${text}`;

describe('verdicts', () => {
  const table: [string, Known, (string | RegExp)[]][] = [
    ['nothing is wrong', well, []],
    ['nodes that are none are for the empty state', { ...well, nodes: [] }, []],
    [
      'a grant is told with what it opens',
      {
        ...well,
        grants: [
          {
            by: 'nora',
            integration: null,
            opens: ['vpn', 'wifi'],
            reason: 'outage',
            since_ms: NOW,
            until: '',
            until_ms: NOW,
          },
        ],
      },
      [/^alarm - The second factor is not asked for at vpn and wifi until /],
    ],
    [
      'one node of two is away',
      { ...well, nodes: [node(), node({ node: 'b', connected: false, last_seen_ms: NOW - 120_000 })] },
      ['warning /nodes/b Node b is away: last heard of 2 min ago.'],
    ],
    ['all nodes are away', { ...well, nodes: [node({ connected: false })] }, [/^alarm \/nodes No node is/]],
    [
      'a refusal, not also as being behind',
      { ...well, nodes: [node({ applied: 11, refused: { revision: 12, at_ms: NOW, faults: [] } })] },
      ['alarm /nodes/local Node local refused revision 12, and serves revision 11.'],
    ],
    [
      'a node that serves nothing and refused',
      { ...well, nodes: [node({ applied: null, refused: { revision: 12, at_ms: NOW, faults: [] } })] },
      ['alarm /nodes/local Node local refused revision 12, and serves nothing: it has no revision yet.'],
    ],
    [
      'a node that is behind',
      { ...well, nodes: [node({ applied: 11 })] },
      ['warning /nodes/local Node local does not serve revision 12 yet.'],
    ],
    [
      'a drained node is a note',
      { ...well, nodes: [node({ draining: true })] },
      [/^note \/nodes\/local .*drained/],
    ],
    [
      'events that were dropped',
      {
        ...well,
        nodes: [
          node({
            status: {
              connected: true,
              events_dropped: 3,
              listeners: [],
              logins_in_flight: 0,
              source: 'control_plane',
              state: 'serving',
              uptime_seconds: 1,
              version: '1',
            },
          }),
        ],
      },
      [/^warning \/nodes\/local Node local dropped 3 events/],
    ],
    [
      'an authenticator that never answered',
      authenticator(4, 4, 4),
      ['alarm /authenticators/ad_client Authenticator ad_client did not answer: 4 of 4 logins failed.'],
    ],
    [
      'an authenticator that failed at times',
      authenticator(44, 1, 1),
      [
        'warning /authenticators/ad_client Authenticator ad_client did not always answer: 1 of 44 logins failed.',
      ],
    ],
    ['a wrong setting', authenticator(2, 2, 0), [/^alarm .*a setting is wrong/]],
    ['of both kinds', authenticator(9, 2, 1), [/^warning .*could not decide/]],
    ['an authenticator that decides', authenticator(9, 0, 0), []],
    [
      'the second factor fails, and lets in',
      factor(5, 2, 2),
      [
        'alarm /logins 2 logins at vpn got in without the second factor, since it failed and failmode is safe.',
        'warning /integrations/vpn The second factor of vpn failed: 2 of 5 logins.',
      ],
    ],
    ['the second factor fails always', factor(1, 1, 0), [/^alarm .*1 of 1 login\.$/]],
    [
      'no room',
      withOverview({ reasons: [{ reason: 'overloaded', outcome: 'unanswered', count: 1 }] }),
      [/^alarm \/logins 1 login found no room/],
    ],
    [
      'a wrong password is nobody’s fault here',
      withOverview({ reasons: [{ reason: 'wrong_password', outcome: 'reject', count: 99 }] }),
      [],
    ],
    ['a certificate that ends in 8 days', certificate('eap', 8), [/^warning \/integrations\/x .* 8 d\.$/]],
    ['a certificate that ends in 6 days', certificate('eap', 6), [/^alarm /]],
    ['a certificate that has ended', certificate('admin', -1), [/^alarm - .* has expired\.$/]],
    ['a certificate of next year', certificate('eap', 300), []],
    ['a node that is about to renew', certificate('node', 29), []],
    ['a node that did not', certificate('node', 20), [/^warning \/nodes\/x /]],
    [
      'a clock that is behind',
      { ...well, clockAhead: -31_000 },
      [/^warning - The gateway's clock is 31 s behind/],
    ],
    ['a clock that is nearly right', { ...well, clockAhead: 30_000 }, []],
    [
      'notes come last',
      {
        ...well,
        drafts: 2,
        clockAhead: 90_000,
        overview: { ...overview, unsigned_clients: { count: 1, first: [] } },
        nodes: [node({ refused: { revision: 12, at_ms: NOW, faults: [] } })],
      },
      [
        /^alarm /,
        /^warning /,
        'note /clients 1 client sent requests without a Message-Authenticator.',
        'note /drafts 2 drafts of the configuration wait to be applied.',
      ],
    ],
  ];
  it.each(table)('%s', (_name, known, want) => {
    const lines = verdicts(known).map(line);
    expect(lines).toHaveLength(want.length);
    for (const [index, text] of want.entries()) {
      if (typeof text === 'string') expect(lines[index]).toBe(text);
      else expect(lines[index]).toMatch(text);
    }
  });

  it('links to the logins that it counted', () => {
    expect(verdicts(factor(5, 2, 2))[0]?.search).toEqual({
      integration: 'vpn',
      reason: 'fail_mode_safe',
      from: '2026-11-22T14:00:00.000Z',
    });
  });
});

describe('headline', () => {
  const finding = (level: Finding['level']): Finding => ({ level, key: level, text: '' });
  it.each<[string, Finding[], string]>([
    ['nothing', [], 'note All is well'],
    ['a note alone', [finding('note')], 'note All is well'],
    ['one alarm', [finding('alarm'), finding('warning')], 'alarm 1 thing needs you now'],
    ['two warnings', [finding('warning'), finding('warning')], 'warning 2 things need a look'],
  ])('%s', (_name, findings, want) => {
    const { level, text } = headline(findings);
    expect(`${level} ${text}`).toBe(want);
  });
});

it.each<[string[], string]>([
  [[], ''],
  [['a'], 'a'],
  [['a', 'b', 'c'], 'a, b and c'],
  [['a', 'b', 'c', 'd', 'e'], 'a, b and 3 more'],
])('names %j', (names, want) => expect(named(names)).toBe(want));

it('a certificate of the last minute is an alarm', () => {
  expect(certificateLevel({ what: 'node', name: 'b', node: 'b', not_after_ms: NOW }, NOW)).toBe('alarm');
});
