import { Divider, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { FlaskConical, SearchX } from 'lucide-react';
import { Fragment, type ReactNode } from 'react';
import { ApiError } from '@/api/client';
import { CopyIcon } from '@/components/copy';
import { Empty } from '@/components/empty';
import { ButtonLink, TextLink } from '@/components/links';
import { Explanation } from '@/components/login/explanation';
import { OutcomeBadge } from '@/components/login/outcome';
import { Timeline } from '@/components/login/timeline';
import { usePerson } from '@/components/login/use-person';
import {
  type AuthEvent,
  addressOf,
  FACTORS,
  OUTCOMES,
  reasonOf,
  shownClient,
} from '@/components/login/words';
import { Loaded } from '@/components/page';
import { Time } from '@/components/time';
import { micros, utcTime } from '@/lib/format';
import { useSession } from '@/session';
import styles from './detail.module.css';
import { loginQuery } from './query';
import { readable } from './reply';

/** One login, explained: why, what happened, what was answered, and where to look next. */
export function LoginDetail({ id }: { id: string }) {
  const query = useQuery(loginQuery(id));
  if (query.error instanceof ApiError && query.error.status === 404) {
    return (
      <Empty
        icon={SearchX}
        title="No login has this id"
        action={<TextLink to="/logins">To the logins</TextLink>}
      >
        Events are kept for a limited time, and up to a limited number. This one may have been deleted.
      </Empty>
    );
  }
  return <Loaded query={query}>{(events) => <Login events={events} />}</Loaded>;
}

function Login({ events }: { events: readonly AuthEvent[] }) {
  const last = events.at(-1);
  const first = events[0];
  if (!last || !first) return null;
  return (
    <Stack gap="md">
      <Explanation event={last} />
      <Next event={last} />
      <Facts events={events} />
      <section aria-labelledby="login-timeline">
        <Title order={2} id="login-timeline" mb="xs">
          What happened
        </Title>
        <Timeline events={events} />
      </section>
      <Divider />
      <section aria-labelledby="login-answers">
        <Title order={2} id="login-answers" mb="xs">
          What was answered
        </Title>
        <Stack gap="sm">
          {events.map((event) => (
            <Answer key={event.id} event={event} />
          ))}
        </Stack>
      </section>
      <Divider />
      <section aria-labelledby="login-ids">
        <Title order={2} id="login-ids" mb="xs">
          Ids, and the exact time
        </Title>
        <dl className={styles.facts}>
          {events.map((event, index) => (
            <Fact key={event.id} name={events.length > 1 ? `Request ${index + 1}` : 'Login'}>
              <span className="mono wrap">{event.id}</span>
              <CopyIcon value={event.id} label="Copy the id" />
            </Fact>
          ))}
          <Fact name="Exact time, in UTC">
            <time className="mono wrap" dateTime={utcTime(first.at_ms)}>
              {utcTime(first.at_ms)}
            </time>
            <CopyIcon value={utcTime(first.at_ms)} label="Copy the time" />
          </Fact>
          <Fact name="Key at the second factor">
            <span className="mono wrap">{last.ikey}</span>
            {last.ikey && <CopyIcon value={last.ikey} label="Copy the key" />}
          </Fact>
        </dl>
      </section>
    </Stack>
  );
}

/** Where to go from here. */
function Next({ event }: { event: AuthEvent }) {
  const { may } = useSession();
  const address = addressOf(event.client);
  const isDevice = address !== '0.0.0.0' && address !== '::';
  const again: Record<string, string> = { integration: event.integration, node: event.node };
  if (event.user) again.user = event.user;
  if (isDevice) again.client = address;
  return (
    <Group gap="xs">
      {may('operator') && (
        <ButtonLink
          to="/try-login"
          search={again}
          size="compact-sm"
          leftSection={<FlaskConical size={15} aria-hidden />}
        >
          Try this login
        </ButtonLink>
      )}
      <Text size="sm" component="span" aria-hidden>
        Other logins
      </Text>
      {event.user && <Others search={{ user: event.user }}>of this user</Others>}
      {isDevice && <Others search={{ client: address }}>of this client</Others>}
      <Others search={{ reason: event.reason }}>of this reason</Others>
    </Group>
  );
}

function Others({ search, children }: { search: Record<string, string>; children: string }) {
  return (
    <ButtonLink
      to="/logins"
      search={search}
      size="compact-sm"
      variant="default"
      aria-label={`Other logins ${children}`}
    >
      {children}
    </ButtonLink>
  );
}

function Facts({ events }: { events: readonly AuthEvent[] }) {
  const last = events.at(-1) as AuthEvent;
  const first = events[0] as AuthEvent;
  const revisions = [...new Set(events.map((event) => event.revision))];
  const nodes = [...new Set(events.map((event) => event.node))];
  return (
    <dl className={styles.facts}>
      <Fact name="When">
        <Time ms={first.at_ms} />
      </Fact>
      <Fact name="User">
        <User event={last} />
      </Fact>
      <Fact name="Integration">
        <TextLink to="/integrations/$id" params={{ id: last.integration }} size="sm">
          <Broken name={last.integration} />
        </TextLink>
      </Fact>
      {last.authenticator && (
        <Fact name="Primary">
          <TextLink to="/authenticators/$id" params={{ id: last.authenticator }} size="sm">
            <Broken name={last.authenticator} />
          </TextLink>
        </Fact>
      )}
      {last.factor && <Fact name="Factor">{FACTORS[last.factor]}</Fact>}
      <Fact name="Client">
        <span className="wrap">{last.test ? shownClient(last) : last.client}</span>
      </Fact>
      {last.calling_station && (
        <Fact name="Calling station">
          <span className="wrap">{last.calling_station}</span>
        </Fact>
      )}
      <Fact name={nodes.length > 1 ? 'Nodes' : 'Node'}>
        {nodes.map((node) => (
          <TextLink key={node} to="/nodes/$node" params={{ node }} size="sm">
            {node}
          </TextLink>
        ))}
      </Fact>
      <Fact name="Configuration">
        {revisions.map((number) => (
          <TextLink key={number} to="/revisions/$number" params={{ number: String(number) }} size="sm">
            revision {number}
          </TextLink>
        ))}
      </Fact>
      <Fact name="Reason">
        <span className="mono">
          <Broken name={last.reason} />
        </span>
      </Fact>
    </dl>
  );
}

/** The name, which leads to the person where the second factor is the built-in one. */
function User({ event }: { event: AuthEvent }) {
  const person = usePerson(event);
  if (!event.user) return 'no name that could be read';
  if (!person) return <span className="wrap">{event.user}</span>;
  return (
    <TextLink to="/second-factor/users/$name" params={{ name: person.name }} size="sm" className="wrap">
      {event.user}
    </TextLink>
  );
}

/** A name of several words, which goes on in the next line between them and not within one. */
function Broken({ name }: { name: string }) {
  const words = name.split('_');
  return words.map((word, place) => (
    // None of them moves.
    <Fragment key={place}>
      {place > 0 && (
        <>
          _<wbr />
        </>
      )}
      {word}
    </Fragment>
  ));
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export interface Attribute {
  name: string;
  value?: string | null;
}

/** What the device was sent. */
export function Answer({ event, attributes }: { event: AuthEvent; attributes?: readonly Attribute[] }) {
  return (
    <div>
      <Group gap="xs">
        <OutcomeBadge outcome={event.outcome} size="sm" />
        <Text size="sm" component="span">
          {event.test ? 'would be ' : ''}
          <b>{OUTCOMES[event.outcome].code}</b> after {micros(event.elapsed_us)}, for the reason:{' '}
          {reasonOf(event)}
        </Text>
      </Group>
      {event.reply_message && (
        <>
          <Text size="sm" c="dimmed" mt={4}>
            The user read:
          </Text>
          <pre className={`wrap ${styles.reply}`}>{readable(event.reply_message)}</pre>
        </>
      )}
      {attributes && attributes.length > 0 && (
        <>
          <Text size="sm" c="dimmed" mt={4}>
            Attributes besides:
          </Text>
          <ul className={styles.attributes}>
            {attributes.map(({ name, value }, index) => (
              // One may come twice, and none moves.
              <li key={index} className="mono wrap">
                {name} = {value ?? 'a secret, which is not shown'}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
