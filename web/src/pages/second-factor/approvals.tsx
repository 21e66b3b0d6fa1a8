import { Button, Group, Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { BellRing, Check, ShieldAlert, X } from 'lucide-react';
import { useRef } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Loaded } from '@/components/page';
import { useNow } from '@/components/time';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import { approvalsQuery, userQuery } from './queries';
import classes from './second-factor.module.css';
import { deviceLabel, PUSH_WAITS, type Push, secondsLeft } from './words';

type Deed = 'approve' | 'deny' | 'fraud';

const DEEDS: Record<Deed, { title: (user: string) => string; body: string; verb: string; done: string }> = {
  approve: {
    title: (user) => `Approve the login of ${user}?`,
    body: 'Whoever is logging in is let in now. Do so only if you know that it is this person: ask them by another channel.',
    verb: 'Approve',
    done: 'was approved',
  },
  deny: {
    title: (user) => `Deny the login of ${user}?`,
    body: 'The login is rejected. The person can try again.',
    verb: 'Deny',
    done: 'was denied',
  },
  fraud: {
    title: (user) => `Report the login of ${user} as fraud?`,
    body: 'The login is rejected, and its event has the reason fraud. Whoever logged in has the password: see to it that it is changed.',
    verb: 'Report fraud',
    done: 'was denied and reported as fraud',
  },
};

/** Pushes that wait for an answer, as they come and go; all, or those of one user. */
export function Approvals({
  only,
  answered,
}: {
  only?: string;
  /** Gives the focus to something that stays, where this goes with the last push. */
  answered?: () => void;
}) {
  const query = useQuery(approvalsQuery);
  const client = useQueryClient();
  const confirm = useConfirm();
  const { may } = useSession();
  const heading = useRef<HTMLHeadingElement>(null);

  const answer = (push: Push, deed: Deed) => {
    const { title, body, verb, done } = DEEDS[deed];
    confirm({
      title: title(push.user),
      body: (
        <Stack gap="xs">
          <span>{body}</span>
          <span>
            <DeviceOf push={push} />, {push.application}, from {push.ip || 'an unknown address'}.
          </span>
          <span>This is done in place of {push.user}, and is in the audit under your name.</span>
        </Stack>
      ),
      confirm: `${verb}: ${push.user}`,
      danger: deed !== 'approve',
      action: async () => {
        await ask(
          api.POST(`/api/v1/second-factor/approvals/{txid}/${deed}`, {
            params: { path: { txid: push.txid } },
          }),
        ).catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 404) {
            throw new ApiError(
              404,
              {
                ...error.problem,
                title: 'It is no longer waiting',
                detail: `Somebody has answered the push of ${push.user} in the meantime, or its time ran out.`,
              },
              error.requestId,
            );
          }
          throw error;
        });
        await client.invalidateQueries({ queryKey: approvalsQuery.queryKey });
        // The button that was pressed is gone with the push.
        if (answered) answered();
        else heading.current?.focus();
        notifications.show({ message: `The login of ${push.user} ${done}.` });
      },
    });
  };

  return (
    <Loaded query={query}>
      {({ items }) => {
        const shown = only === undefined ? items : items.filter((push) => push.user === only);
        return (
          <Stack gap="sm">
            <Title order={2} ref={heading} tabIndex={-1} className={classes.heading}>
              {only === undefined ? 'Waiting for an answer' : 'A login waits for an answer'}
            </Title>
            <span role="status" className={classes.hidden}>
              {shown.length === 0
                ? 'No login waits.'
                : `${plural(shown.length, 'login waits', 'logins wait')}: ${shown.map(({ user }) => user).join(', ')}`}
            </span>
            {shown.length === 0 ? (
              <Empty icon={BellRing} title="No login waits for an answer">
                When somebody logs in and a push goes to their phone, it is here until it is answered:{' '}
                {PUSH_WAITS} seconds at most. This page checks every second.
              </Empty>
            ) : (
              <Stack gap="xs" role="list" aria-label="Logins that wait">
                {shown.map((push) => (
                  <Waiting
                    key={push.txid}
                    push={push}
                    at={query.dataUpdatedAt}
                    named={only === undefined}
                    {...(may('admin') ? { approve: () => answer(push, 'approve') } : {})}
                    {...(may('operator')
                      ? { deny: () => answer(push, 'deny'), fraud: () => answer(push, 'fraud') }
                      : {})}
                  />
                ))}
              </Stack>
            )}
            {!may('admin') && shown.length > 0 && (
              <Text size="sm" c="dimmed">
                {may('operator')
                  ? 'Approving in a user’s place is for administrators.'
                  : 'Answering in a user’s place is for operators (deny) and administrators.'}
              </Text>
            )}
          </Stack>
        );
      }}
    </Loaded>
  );
}

/** Which device is asked; its id, where the user is not known yet. */
function DeviceOf({ push }: { push: Push }) {
  const { data } = useQuery({ ...userQuery(push.user), refetchInterval: false });
  const device = data?.devices.find(({ id }) => id === push.device);
  return device ? deviceLabel(device) : push.device;
}

function Waiting({
  push,
  at,
  named,
  approve,
  deny,
  fraud,
}: {
  push: Push;
  /** When its age was read. */
  at: number;
  /** Whether to name the user: not on the user's own page. */
  named: boolean;
  approve?: () => void;
  deny?: () => void;
  fraud?: () => void;
}) {
  const left = secondsLeft(push.age_seconds, useNow(1_000) - at);
  return (
    <Paper withBorder p="sm" radius="md" role="listitem" className={classes.push}>
      <div>
        <Group gap="xs">
          <BellRing size={17} aria-hidden color="var(--mantine-color-anchor)" />
          {named ? (
            <TextLink to="/second-factor/users/$name" params={{ name: push.user }} fw={650} className="wrap">
              {push.user}
            </TextLink>
          ) : (
            <Text fw={650} className="wrap">
              {push.user}
            </Text>
          )}
          <Text size="sm" c="dimmed" className="wrap">
            <DeviceOf push={push} />
          </Text>
        </Group>
        <Text size="sm" className="wrap">
          {push.application}, from <b>{push.ip || 'an unknown address'}</b>
          {push.client && `, through ${push.client}`}
        </Text>
        {push.number_matching && (
          <Text size="sm" c="dimmed">
            The person types the number that the login shows. Who approves here does not.
          </Text>
        )}
        <Group gap="xs" mt={6} wrap="nowrap">
          <Progress
            value={(100 * left) / PUSH_WAITS}
            size="sm"
            w={120}
            color={left <= 15 ? 'orange' : 'sentry'}
            aria-hidden
          />
          <Text size="xs" c="dimmed" className="nowrap">
            {left} s left
          </Text>
        </Group>
      </div>
      <Group gap="xs">
        {deny && (
          <Button
            size="sm"
            variant="default"
            onClick={deny}
            leftSection={<X size={16} aria-hidden />}
            aria-label={`Deny ${push.user}`}
          >
            Deny
          </Button>
        )}
        {fraud && (
          <Button
            size="sm"
            variant="default"
            onClick={fraud}
            leftSection={<ShieldAlert size={16} aria-hidden />}
            aria-label={`Report fraud: ${push.user}`}
          >
            Report fraud
          </Button>
        )}
        {approve && (
          <Button
            size="sm"
            variant="default"
            onClick={approve}
            leftSection={<Check size={16} aria-hidden />}
            aria-label={`Approve ${push.user}`}
          >
            Approve
          </Button>
        )}
      </Group>
    </Paper>
  );
}
