import { Alert, Anchor, Button, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { LockKeyhole, LockKeyholeOpen, Trash2, TriangleAlert, UserPlus, UserX } from 'lucide-react';
import { useRef, useState } from 'react';
import { Empty } from '@/components/empty';
import { Loaded, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Time } from '@/components/time';
import { useSession } from '@/session';
import { Approvals } from './second-factor/approvals';
import { BypassCodes } from './second-factor/bypass-codes';
import { CreateUser } from './second-factor/create-user';
import { useDeeds } from './second-factor/deeds';
import { Devices } from './second-factor/devices';
import { ApplicationSelect, Effective } from './second-factor/effective';
import { Incidents } from './second-factor/incidents';
import { NotUsed } from './second-factor/not-used';
import { Person } from './second-factor/person';
import { approvalsQuery, isNotUsed, userQuery } from './second-factor/queries';
import { RecentLogins } from './second-factor/recent-logins';
import { RememberedApprovals } from './second-factor/remembered';
import { Script } from './second-factor/script';
import classes from './second-factor/second-factor.module.css';
import { Section } from './second-factor/section';
import { SmsCodes } from './second-factor/sms-codes';
import { StatusBadge, StatusMenu } from './second-factor/status';
import { canLock, canUnlock, FAILURES_TO_LOCK, isBare, STATUSES, type User } from './second-factor/words';

/** A user of the built-in second factor: what they can pass it with, and what became of their logins. */
export function SecondFactorUserPage() {
  const { name = '' } = useParams({ strict: false });
  const query = useQuery(userQuery(name));

  if (isNotUsed(query.error)) {
    return (
      <Page title={name}>
        <NotUsed />
      </Page>
    );
  }
  if (query.data === null) return <NoUser name={name} />;
  if (!query.data) {
    return (
      <Page title={name}>
        <Loaded query={query}>{() => null}</Loaded>
      </Page>
    );
  }
  return <OfUser user={query.data} failed={query.error} key={query.data.id} />;
}

function NoUser({ name }: { name: string }) {
  const { may } = useSession();
  const [creating, create] = useDisclosure();
  return (
    <Page title={name}>
      <Empty
        icon={UserX}
        title={`There is no user ${name} here`}
        action={
          <Group justify="center" gap="xs">
            {may('operator') && (
              <Button onClick={create.open} leftSection={<UserPlus size={16} aria-hidden />}>
                Add {name}
              </Button>
            )}
            <Button component={Link} to="/second-factor" variant="default">
              All users
            </Button>
          </Group>
        }
      >
        A login under this name is refused by the second factor, unless the application lets unknown users in.
        The user may have been deleted, or may have another name here.
      </Empty>
      <RecentLogins name={name} />
      <CreateUser opened={creating} close={create.close} suggested={name} />
    </Page>
  );
}

function OfUser({ user, failed }: { user: User; failed: unknown }) {
  const { may } = useSession();
  const { lock, unlock, remove } = useDeeds();
  const navigate = useNavigate();
  const waits = useQuery({
    ...approvalsQuery,
    select: ({ items }) => items.some((push) => push.user === user.name),
  });
  const place = useRef<HTMLDivElement>(null);

  return (
    <Page
      title={user.name}
      lead={
        <Group gap="xs" mt={4}>
          <StatusBadge status={user.status} size="lg" />
          <span>{STATUSES[user.status].about}</span>
        </Group>
      }
      actions={
        may('operator') && (
          <>
            {canUnlock(user) && (
              <Button
                variant={user.status === 'locked_out' ? 'filled' : 'default'}
                leftSection={<LockKeyholeOpen size={16} aria-hidden />}
                onClick={() => unlock(user)}
              >
                Unlock
              </Button>
            )}
            {canLock(user) && (
              <Button
                variant="default"
                leftSection={<LockKeyhole size={16} aria-hidden />}
                onClick={() => lock(user)}
              >
                Lock
              </Button>
            )}
            <StatusMenu user={user} />
            {may('admin') && (
              <Button
                variant="default"
                leftSection={<Trash2 size={16} aria-hidden />}
                onClick={() => remove(user, () => navigate({ to: '/second-factor' }))}
              >
                Delete
              </Button>
            )}
          </>
        )
      }
    >
      <Anchor component={Link} to="/second-factor" size="sm" style={{ alignSelf: 'flex-start' }}>
        ← All users
      </Anchor>
      <ProblemAlert error={failed} title="What is shown may be out of date" />
      <Notices user={user} />
      {waits.data && <Approvals only={user.name} answered={() => place.current?.focus()} />}
      <div className={classes.columns} ref={place} tabIndex={-1} style={{ outline: 'none' }}>
        <Stack gap="md">
          <Devices user={user} />
          <RecentLogins name={user.name} />
          <OfPolicy name={user.name} />
          <Section title="Incidents">
            <Incidents narrowed={{ user: user.name }} ofOne />
          </Section>
          <RememberedApprovals user={user.name} ofOne />
        </Stack>
        <Stack gap="md">
          <Person user={user} />
          <BypassCodes user={user} />
          <SmsCodes user={user} />
          <Script user={user} />
          <Text size="xs" c="dimmed">
            Id <span className="mono">{user.id}</span>
          </Text>
        </Stack>
      </div>
    </Page>
  );
}

/** What holds for the user's logins, and which policy says so. */
function OfPolicy({ name }: { name: string }) {
  const [application, setApplication] = useState<string | null>(null);
  return (
    <Section title="Policy">
      <Stack gap="sm">
        {/* In a row: what it has of width there would be its height in a column. */}
        <Group>
          <ApplicationSelect value={application} onChange={setApplication} />
        </Group>
        <Effective name={name} application={application} />
      </Stack>
    </Section>
  );
}

/** What somebody who helps this user should see first. */
function Notices({ user }: { user: User }) {
  return (
    <>
      {user.status === 'locked_out' && (
        <Alert color="red" icon={<LockKeyhole size={18} aria-hidden />} title="Locked out">
          <Text size="sm">
            Every login is refused until somebody unlocks the user, even with the right passcode.
            {user.failures > 0 && ' Wrong passcodes caused it: the logins below show where they came from.'}
          </Text>
        </Alert>
      )}
      {user.status === 'active' && user.failures > 0 && (
        <Group gap={6} wrap="nowrap" align="flex-start">
          <TriangleAlert
            size={16}
            aria-hidden
            color="var(--mantine-color-orange-text)"
            style={{ flexShrink: 0, marginTop: 3 }}
          />
          <Text size="sm">
            {user.failures} of {FAILURES_TO_LOCK} wrong passcodes in a row until this user is locked out. A
            right one resets the count.
          </Text>
        </Group>
      )}
      {user.status === 'bypass' && (
        <Alert
          color="orange"
          icon={<TriangleAlert size={18} aria-hidden />}
          title="No second factor is asked for"
        >
          <Text size="sm">
            Whoever has the password of {user.name} is let in
            {user.bypass_until ? (
              <>
                {' '}
                until <Time ms={user.bypass_until * 1_000} />.
              </>
            ) : (
              '. Set the status back to active when it is no longer needed.'
            )}
          </Text>
        </Alert>
      )}
      {isBare(user) && user.status === 'active' && (
        <Alert color="blue" icon={<TriangleAlert size={18} aria-hidden />} title="Nothing to log in with yet">
          <Text size="sm">
            {user.name} has no device and no bypass code: a login is rejected with a link to enrol. Invite{' '}
            {user.name} to set up a device, or add one here.
          </Text>
        </Alert>
      )}
    </>
  );
}
