/** What is wrong, in plain words and worst first, each with the place of its cause. Pure. */
import type { Schemas } from '@/api/client';
import { count, localTime, plural, seconds } from '@/lib/format';
import { servesOf } from '../nodes/words';
import { moment } from './window';

type Overview = Schemas['Overview'];
type NodeView = Schemas['NodeView'];
type CertificateEnd = Schemas['CertificateEnd'];

/** An alarm wants somebody now, a warning today; a note is to be known. */
export type Level = 'alarm' | 'warning' | 'note';

export interface Finding {
  level: Level;
  /** What it is about: stays the same while its text changes. */
  key: string;
  text: string;
  /** Where its cause is. */
  to?: string;
  search?: Record<string, string>;
}

export interface Known {
  overview: Overview;
  nodes: readonly NodeView[];
  grants: readonly Schemas['PrimaryOnlyView'][];
  /** The newest revision; null where there is none. */
  revision: number | null;
  /** How many drafts wait. */
  drafts: number;
  /** How far the gateway's clock is ahead of the browser's, in milliseconds. */
  clockAhead: number;
  now: number;
}

const DAY = 86_400_000;
export const SOON_DAYS = 30;
export const ALARM_DAYS = 7;
/** A node renews its own 30 days before the end: one with less than that did not. */
export const NODE_SOON_DAYS = 28;
/** How far two clocks may be apart, in milliseconds. */
export const CLOCKS = 30_000;

const ORDER: readonly Level[] = ['alarm', 'warning', 'note'];

/** `a`, `a and b`, `a, b and 3 more`. */
export function named(names: readonly string[], shown = 3): string {
  if (names.length <= 1) return names.join('');
  if (names.length <= shown) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${names.slice(0, shown - 1).join(', ')} and ${names.length - shown + 1} more`;
}

/** How near a certificate's end is; null: far enough. */
export function certificateLevel(certificate: CertificateEnd, now: number): Level | null {
  const left = certificate.not_after_ms - now;
  if (left < ALARM_DAYS * DAY) return 'alarm';
  return left < (certificate.what === 'node' ? NODE_SOON_DAYS : SOON_DAYS) * DAY ? 'warning' : null;
}

/** What a certificate is for, in words. */
export function certificateOf({ what, name, node }: CertificateEnd): string {
  if (what === 'node') return `The certificate of node ${name}`;
  if (what === 'eap') return `The EAP certificate of ${name}${node ? ` at ${node}` : ''}`;
  return `The certificate of this page (${name})`;
}

/** All findings, worst first; of the same level in the order of a login's way. */
export function verdicts(known: Known): Finding[] {
  const found = [
    ...ofGrants(known),
    ...ofNodes(known),
    ...ofAuthenticators(known),
    ...ofSecondFactor(known),
    ...ofLogins(known),
    ...ofCertificates(known),
    ...ofClock(known),
    ...ofTheRest(known),
  ];
  return ORDER.flatMap((level) => found.filter((finding) => finding.level === level));
}

/** The headline over them. */
export function headline(findings: readonly Finding[]): { level: Level; text: string } {
  const alarms = findings.filter(({ level }) => level === 'alarm').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  if (alarms > 0) return { level: 'alarm', text: `${plural(alarms, 'thing')} ${needs(alarms)} you now` };
  if (warnings > 0) {
    return { level: 'warning', text: `${plural(warnings, 'thing')} ${needs(warnings)} a look` };
  }
  return { level: 'note', text: 'All is well' };
}

const needs = (n: number) => (n === 1 ? 'needs' : 'need');

function ofGrants({ grants }: Known): Finding[] {
  return grants.map((grant) => ({
    level: 'alarm',
    key: `primary-only ${grant.integration ?? ''}`,
    text: `The second factor is not asked for at ${
      grant.opens.length > 0 ? named(grant.opens) : (grant.integration ?? 'all integrations')
    } until ${localTime(grant.until_ms)}.`,
  }));
}

function ofNodes({ nodes, revision, now }: Known): Finding[] {
  const found: Finding[] = [];
  const away = nodes.filter((node) => !node.connected);
  if (nodes.length > 0 && away.length === nodes.length) {
    found.push({
      level: 'alarm',
      key: 'nodes',
      text: 'No node is connected. One that runs serves what it had; one that does not answers nobody.',
      to: '/nodes',
    });
  } else {
    for (const node of away) {
      found.push({
        level: 'warning',
        key: `away ${node.node}`,
        text: `Node ${node.node} is away: last heard of ${seconds((now - node.last_seen_ms) / 1_000)} ago.`,
        to: `/nodes/${encodeURIComponent(node.node)}`,
      });
    }
  }
  for (const node of nodes) {
    const to = `/nodes/${encodeURIComponent(node.node)}`;
    if (node.refused) {
      found.push({
        level: 'alarm',
        key: `refused ${node.node}`,
        text: `Node ${node.node} refused revision ${node.refused.revision}, and ${servesOf(node)}.`,
        to,
      });
    } else if (node.connected && revision !== null && (node.applied ?? 0) < revision) {
      found.push({
        level: 'warning',
        key: `behind ${node.node}`,
        text:
          node.applied == null
            ? `Node ${node.node} serves nothing yet.`
            : `Node ${node.node} does not serve revision ${revision} yet.`,
        to,
      });
    }
    if (node.draining) {
      found.push({
        level: 'note',
        key: `draining ${node.node}`,
        text: `Node ${node.node} is drained: it takes no new logins.`,
        to,
      });
    }
    const dropped = node.status?.events_dropped ?? 0;
    if (dropped > 0) {
      found.push({
        level: 'warning',
        key: `dropped ${node.node}`,
        text: `Node ${node.node} dropped ${plural(dropped, 'event')}: those logins are in no list.`,
        to,
      });
    }
  }
  return found;
}

function ofAuthenticators({ overview }: Known): Finding[] {
  return overview.authenticators
    .filter(({ failed }) => failed > 0)
    .map(({ id, asked, failed, unavailable }) => {
      const all = failed >= asked;
      const why =
        unavailable >= failed
          ? all
            ? 'did not answer'
            : 'did not always answer'
          : unavailable === 0
            ? 'could not be asked: a setting is wrong'
            : 'could not decide';
      return {
        level: all ? 'alarm' : 'warning',
        key: `authenticator ${id}`,
        text: `Authenticator ${id} ${why}: ${ofThem(failed, asked)}.`,
        to: `/authenticators/${encodeURIComponent(id)}`,
      };
    });
}

function ofThem(failed: number, asked: number): string {
  return `${count(failed)} of ${plural(asked, 'login')} failed`;
}

function ofSecondFactor({ overview }: Known): Finding[] {
  const found: Finding[] = [];
  for (const { integration, asked, failed, fail_mode_used } of overview.second_factor) {
    const to = `/integrations/${encodeURIComponent(integration)}`;
    if (fail_mode_used > 0) {
      found.push({
        level: 'alarm',
        key: `fail mode ${integration}`,
        text: `${plural(fail_mode_used, 'login')} at ${integration} got in without the second factor, since it failed and failmode is safe.`,
        to: '/logins',
        search: { integration, reason: 'fail_mode_safe', from: moment(overview.since_ms) },
      });
    }
    if (failed > 0) {
      found.push({
        level: failed >= asked ? 'alarm' : 'warning',
        key: `second factor ${integration}`,
        text: `The second factor of ${integration} failed: ${count(failed)} of ${plural(asked, 'login')}.`,
        to,
      });
    }
  }
  return found;
}

function ofLogins({ overview }: Known): Finding[] {
  const found: Finding[] = [];
  const from = moment(overview.since_ms);
  for (const { reason, count: times } of overview.reasons) {
    if (reason === 'overloaded') {
      found.push({
        level: 'alarm',
        key: reason,
        text: `${plural(times, 'login')} found no room: the gateway was overloaded.`,
        to: '/logins',
        search: { reason, from },
      });
    } else if (reason === 'internal') {
      found.push({
        level: 'warning',
        key: reason,
        text: `${plural(times, 'login')} met a fault of the gateway itself.`,
        to: '/logins',
        search: { reason, from },
      });
    }
  }
  return found;
}

function ofCertificates({ overview, now }: Known): Finding[] {
  return overview.certificates.flatMap((certificate) => {
    const level = certificateLevel(certificate, now);
    if (!level) return [];
    const left = (certificate.not_after_ms - now) / 1_000;
    return [
      {
        level,
        key: `certificate ${certificate.what} ${certificate.name} ${certificate.node ?? ''}`,
        text: `${certificateOf(certificate)} ${left <= 0 ? 'has expired' : `ends in ${seconds(left)}`}.`,
        ...placeOf(certificate),
      },
    ];
  });
}

/** Where a certificate is looked after. */
export function placeOf({ what, name }: CertificateEnd): { to?: string } {
  if (what === 'node') return { to: `/nodes/${encodeURIComponent(name)}` };
  return what === 'eap' ? { to: `/integrations/${encodeURIComponent(name)}` } : {};
}

function ofClock({ clockAhead }: Known): Finding[] {
  if (Math.abs(clockAhead) <= CLOCKS) return [];
  const by = seconds(Math.abs(clockAhead) / 1_000);
  return [
    {
      level: 'warning',
      key: 'clock',
      text: `The gateway's clock is ${by} ${clockAhead > 0 ? 'ahead of' : 'behind'} this machine's. One of them is wrong: passcodes and certificates need the right time.`,
    },
  ];
}

function ofTheRest({ overview, drafts }: Known): Finding[] {
  const found: Finding[] = [];
  const unsigned = overview.unsigned_clients.count;
  if (unsigned > 0) {
    found.push({
      level: 'note',
      key: 'unsigned',
      text: `${plural(unsigned, 'client')} sent requests without a Message-Authenticator.`,
      to: '/clients',
      search: { unsigned: 'true' },
    });
  }
  if (drafts > 0) {
    found.push({
      level: 'note',
      key: 'drafts',
      text: `${plural(drafts, 'draft')} of the configuration ${drafts === 1 ? 'waits' : 'wait'} to be applied.`,
      to: '/drafts',
    });
  }
  return found;
}
