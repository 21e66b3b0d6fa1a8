/** What stands behind the numbers: authenticators, second factors, reasons, certificates, clients. */

import { Badge, Box, Group, Text } from '@mantine/core';
import type { Schemas } from '@/api/client';
import { TextLink } from '@/components/links';
import { REASONS } from '@/components/login/words';
import { Time } from '@/components/time';
import { count, micros, plural } from '@/lib/format';
import { Card } from './card';
import classes from './overview.module.css';
import { certificateLevel, certificateOf, placeOf } from './verdicts';
import { moment } from './window';

type Overview = Schemas['Overview'];

function Health({ asked, failed }: { asked: number; failed: number }) {
  const [colour, word] =
    failed === 0 ? ['green', 'works'] : failed >= asked ? ['red', 'fails'] : ['orange', 'fails at times'];
  return (
    <Badge variant="light" color={colour} tt="none">
      {word}
    </Badge>
  );
}

/** The newest login that failed, with what was found. */
function Failure({ failure }: { failure: Schemas['LastFailure'] | null }) {
  if (!failure) return null;
  return (
    <Text size="sm" className="wrap">
      <Time ms={failure.at_ms} form="relative" /> at {failure.node}:{' '}
      <span className="mono">{failure.detail}</span>{' '}
      <TextLink underline="always" to="/logins/$id" params={{ id: failure.event }} size="sm">
        To this login
      </TextLink>
    </Text>
  );
}

export function Authenticators({ overview }: { overview: Overview }) {
  return (
    <Card title="Authenticators">
      {overview.authenticators.length === 0 ? (
        <Text size="sm">
          None was asked.{' '}
          <TextLink underline="always" to="/authenticators">
            All authenticators
          </TextLink>
        </Text>
      ) : (
        <ul className={classes.list}>
          {overview.authenticators.map(({ id, asked, failed, unavailable, last_failure }) => (
            <li key={id}>
              <Group justify="space-between" gap="xs">
                <TextLink
                  underline="always"
                  to="/authenticators/$id"
                  params={{ id }}
                  fw={600}
                  className="wrap"
                >
                  {id}
                </TextLink>
                <Health asked={asked} failed={failed} />
              </Group>
              <Text size="sm" c="dimmed">
                asked {plural(asked, 'time')}
                {failed > 0 && `, failed ${count(failed)}`}
                {unavailable > 0 && `, no answer ${count(unavailable)}`}
              </Text>
              <Failure failure={last_failure} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

export function SecondFactors({ overview }: { overview: Overview }) {
  const from = moment(overview.since_ms);
  return (
    <Card title="Second factor">
      {overview.second_factor.length === 0 ? (
        <Text size="sm">It was not asked.</Text>
      ) : (
        <ul className={classes.list}>
          {overview.second_factor.map((one) => (
            <li key={one.integration}>
              <Group justify="space-between" gap="xs">
                <TextLink
                  underline="always"
                  to="/integrations/$id"
                  params={{ id: one.integration }}
                  fw={600}
                  className="wrap"
                >
                  {one.integration}
                </TextLink>
                <Health asked={one.asked} failed={one.failed} />
              </Group>
              <Text size="sm" c="dimmed" className="wrap">
                {one.host === 'builtin' ? 'built in' : (one.host ?? 'integration is gone')}: asked{' '}
                {plural(one.asked, 'time')}, unavailable {count(one.unavailable)}
                {one.p50_us !== null && `, first answer p50 ${micros(one.p50_us)}`}
              </Text>
              {one.fail_mode_used > 0 && (
                <Text size="sm">
                  <TextLink
                    underline="always"
                    to="/logins"
                    search={{ integration: one.integration, reason: 'fail_mode_safe', from }}
                    size="sm"
                  >
                    {plural(one.fail_mode_used, 'login')} let in by failmode=safe
                  </TextLink>
                </Text>
              )}
              <Failure failure={one.last_failure} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

export function TopReasons({ overview }: { overview: Overview }) {
  const from = moment(overview.since_ms);
  const most = overview.reasons[0]?.count ?? 1;
  return (
    <Card title="Why logins were refused">
      {overview.reasons.length === 0 ? (
        <Text size="sm">None was rejected or left without an answer.</Text>
      ) : (
        <ul className={classes.list}>
          {overview.reasons.map(({ reason, outcome, count: times }) => (
            <li key={`${reason} ${outcome}`}>
              <Group justify="space-between" gap="xs" wrap="nowrap">
                <TextLink
                  underline="always"
                  to="/logins"
                  search={{ reason, outcome, from }}
                  size="sm"
                  className="wrap"
                >
                  {REASONS[reason]}
                  {outcome === 'unanswered' && ' (no answer)'}
                </TextLink>
                <Text size="sm" fw={600}>
                  {count(times)}
                </Text>
              </Group>
              <Box
                aria-hidden
                h={4}
                mt={2}
                bg={outcome === 'reject' ? 'red.6' : 'orange.6'}
                style={{ width: `${Math.max(2, (100 * times) / most)}%`, borderRadius: 2 }}
              />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

export function Certificates({ overview, now }: { overview: Overview; now: number }) {
  const first = overview.certificates[0];
  const soon = overview.certificates.filter((one) => certificateLevel(one, now));
  return (
    <Card title="Certificates">
      {!first ? (
        <Text size="sm">There are none to watch.</Text>
      ) : (
        <>
          <Text size="sm" className="wrap">
            {soon.length === 0
              ? `${plural(overview.certificates.length, 'certificate')}, none ends soon. The first to end: `
              : `${plural(soon.length, 'certificate')} ${soon.length === 1 ? 'ends' : 'end'} soon. The first: `}
            <Time ms={first.not_after_ms} form="relative" />.
          </Text>
          <details open={soon.length > 0}>
            <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
              All certificates
            </Text>
            <ul className={classes.list}>
              {overview.certificates.map((one) => {
                const level = certificateLevel(one, now);
                const { to } = placeOf(one);
                return (
                  <li key={`${one.what} ${one.name} ${one.node ?? ''}`}>
                    <Group justify="space-between" gap="xs">
                      {to ? (
                        <TextLink underline="always" to={to} size="sm" className="wrap">
                          {certificateOf(one)}
                        </TextLink>
                      ) : (
                        <Text size="sm" className="wrap">
                          {certificateOf(one)}
                        </Text>
                      )}
                      {level && (
                        <Badge variant="light" color={level === 'alarm' ? 'red' : 'orange'} tt="none">
                          {one.not_after_ms <= now ? 'expired' : 'ends soon'}
                        </Badge>
                      )}
                    </Group>
                    <Text size="sm" c="dimmed">
                      until <Time ms={one.not_after_ms} /> (<Time ms={one.not_after_ms} form="relative" />)
                    </Text>
                  </li>
                );
              })}
            </ul>
          </details>
        </>
      )}
    </Card>
  );
}

/** How many of the clients are named. */
const FIRST = 4;

export function UnsignedClients({ overview }: { overview: Overview }) {
  const { count: all, first } = overview.unsigned_clients;
  return (
    <Card title="Clients without Message-Authenticator">
      {all === 0 ? (
        <Text size="sm">
          Every client that was seen signs its requests.{' '}
          <TextLink underline="always" to="/clients" size="sm">
            All clients
          </TextLink>
        </Text>
      ) : (
        <>
          <Text size="sm" className="wrap">
            Anybody who can change traffic between them and the gateway can forge an answer (CVE-2024-3596).
            Have the devices send it, then require it.
          </Text>
          <ul className={classes.list}>
            {first.slice(0, FIRST).map(({ integration, address, last_signed_ms, last_unsigned_ms }) => (
              <li key={`${integration} ${address}`}>
                <Text size="sm" className="wrap">
                  <span className="mono">{address}</span> at {integration}
                </Text>
                <Text size="sm" c="dimmed">
                  {(last_signed_ms ?? 0) > last_unsigned_ms && 'signs now; '}last without one{' '}
                  <Time ms={last_unsigned_ms} form="relative" />
                </Text>
              </li>
            ))}
          </ul>
          <TextLink underline="always" to="/clients" search={{ unsigned: 'true' }} size="sm">
            {all === 1 ? 'Show it, and what to do' : `Show all ${count(all)}, and what to do`}
          </TextLink>
        </>
      )}
    </Card>
  );
}
