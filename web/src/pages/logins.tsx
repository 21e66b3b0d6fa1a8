import { Alert, Button, Group, Text } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Activity, FlaskConical, SearchX } from 'lucide-react';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { Empty } from '@/components/empty';
import { ButtonLink } from '@/components/links';
import { Loading, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { count, localTime, plural } from '@/lib/format';
import { useSession } from '@/session';
import { LoginDrawer } from './logins/drawer';
import { ExportMenu } from './logins/export';
import { FILTERS, type Filter, filterOf } from './logins/filter';
import { Filters } from './logins/filters';
import { LiveStatus } from './logins/status';
import { EndNote, LoginTable } from './logins/table';
import { useFeed } from './logins/use-feed';

export function LoginsPage() {
  const search = useSearch({ from: '/shell/logins' });
  const navigate = useNavigate({ from: '/logins' });
  const { may } = useSession();
  const filter = useMemo(() => filterOf(search), [search]);
  const { feed, snapshot } = useFeed(filter);
  const [reading, setReading] = useState(false);
  const [paused, setPaused] = useState(false);
  const held = paused ? 'paused' : search.open !== undefined ? 'open' : reading ? 'reading' : null;
  const isHeld = held !== null;
  useEffect(() => feed.hold(isHeld), [feed, isHeld]);

  const set = useCallback(
    (part: Filter) => {
      void navigate({
        search: (before) => {
          const after: Record<string, string | undefined> = { ...before, ...part, open: undefined };
          for (const name of FILTERS) if (!after[name]) delete after[name];
          return after;
        },
        resetScroll: false,
      });
    },
    [navigate],
  );
  const clear = () => void navigate({ search: {}, resetScroll: false });
  const open = useCallback(
    (id: string) => void navigate({ search: (before) => ({ ...before, open: id }), resetScroll: false }),
    [navigate],
  );
  const close = () =>
    void navigate({
      search: (before) => ({ ...before, open: undefined }),
      resetScroll: false,
      replace: true,
    });
  const release = () => {
    window.scrollTo({ top: 0 });
    feed.release();
  };
  const onEnd = useCallback(() => feed.older(), [feed]);

  const { rows, loading, complete, error } = snapshot;
  const oldest = rows.at(-1)?.last.event.at_ms;
  const isFiltered = Object.keys(filter).length > 0;
  return (
    <Page
      title="Logins"
      lead="Every login that is over, and why it ended as it did."
      actions={
        <>
          {may('operator') && (
            <ButtonLink
              to="/try-login"
              variant="default"
              leftSection={<FlaskConical size={16} aria-hidden />}
            >
              Try a login
            </ButtonLink>
          )}
          <ExportMenu filter={filter} />
        </>
      }
    >
      <Filters filter={filter} set={set} clear={clear} />
      <Group justify="space-between" mih={30}>
        <Text size="sm" c="dimmed">
          {loading || (error && rows.length === 0)
            ? ''
            : `${plural(rows.length, 'login')}${complete ? '' : ', and older ones below'}`}
        </Text>
        <LiveStatus snapshot={snapshot} held={held} onPaused={setPaused} onRelease={release} />
      </Group>
      {snapshot.connection === 'ended' && snapshot.streamError && (
        <Alert color="orange" title="This list is not live" role="alert">
          {snapshot.streamError.problem.detail}
        </Alert>
      )}
      <ProblemAlert error={error} retry={rows.length > 0 ? () => feed.older(true) : feed.reload} />
      {loading && !error && <Loading />}
      {!loading &&
        rows.length === 0 &&
        complete &&
        (isFiltered ? (
          <Empty
            icon={SearchX}
            title="No login matches"
            action={
              <Button variant="default" onClick={clear}>
                Remove all filters
              </Button>
            }
          >
            One that matches appears here as soon as it ends. Names of users match letter for letter.
          </Empty>
        ) : (
          <Empty
            icon={Activity}
            title="No login yet"
            action={may('operator') ? <ButtonLink to="/try-login">Try a login</ButtonLink> : undefined}
          >
            The first one appears here as soon as it ends. Does a device send to an integration already? A
            request from an address that is no client of it, or with another shared secret, is discarded: the
            node’s log says <code>datagram discarded</code>, and why.
          </Empty>
        ))}
      {(rows.length > 0 || (!loading && !complete)) && (
        <LoginTable
          rows={rows}
          complete={complete}
          open={search.open}
          onOpen={open}
          onReading={setReading}
          onEnd={onEnd}
          loadingOlder={snapshot.loadingOlder}
          end={
            snapshot.full && !complete ? (
              <EndNote>
                {count(rows.length)} logins are as many as this page holds.{' '}
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={() => {
                    window.scrollTo({ top: 0 });
                    set({ to: new Date((oldest ?? 0) + 1).toISOString(), since: '' });
                  }}
                >
                  Continue from here
                </Button>
              </EndNote>
            ) : snapshot.tired ? (
              <EndNote>
                Nothing more found so far.{' '}
                <Button size="compact-sm" variant="default" onClick={() => feed.older(true)}>
                  Look further back
                </Button>
              </EndNote>
            ) : complete && rows.length > 15 && oldest !== undefined ? (
              <EndNote>These are all that match. The oldest is of {localTime(oldest)}.</EndNote>
            ) : null
          }
        />
      )}
      <LoginDrawer id={search.open} onClose={close} />
    </Page>
  );
}
