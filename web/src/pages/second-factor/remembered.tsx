/** Approvals that let the same user in again without another one. */
import { Button, Table, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { TextLink } from '@/components/links';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Actions, Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { unlessGone } from '@/lib/gone';
import { useSession } from '@/session';
import { ReadOn } from './more';
import { changed, rememberedQuery } from './queries';
import { Section } from './section';

type Remembered = Schemas['Remembered'];

export function RememberedApprovals({ user, ofOne = false }: { user?: string | undefined; ofOne?: boolean }) {
  const query = useInfiniteQuery(rememberedQuery(user));
  const client = useQueryClient();
  const confirm = useConfirm();
  const { may } = useSession();
  const place = useRef<HTMLDivElement>(null);
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];

  const done = async (message: string) => {
    await changed(client);
    notifications.show({ message });
    place.current?.focus();
  };
  const revoke = (one: Remembered) =>
    confirm({
      title: `Revoke the approval of ${one.user}?`,
      body: `The next login of ${one.user} from ${one.station} asks for the second factor again.`,
      confirm: 'Revoke it',
      danger: true,
      action: async () => {
        await ask(
          api.DELETE('/api/v1/second-factor/remembered/{id}', { params: { path: { id: one.id } } }),
        ).catch(unlessGone);
        await done(`The approval of ${one.user} is revoked.`);
      },
    });
  const revokeAll = (name: string) =>
    confirm({
      title: `Revoke all approvals of ${name}?`,
      body: `Every next login of ${name} asks for the second factor again.`,
      confirm: `Revoke all of ${name}`,
      danger: true,
      action: async () => {
        const path = { name };
        await ask(api.DELETE('/api/v1/second-factor/users/{name}/remembered', { params: { path } })).catch(
          unlessGone,
        );
        await done(`No approval of ${name} is remembered any more.`);
      },
    });

  return (
    <Section
      title="Remembered approvals"
      actions={
        user &&
        items.length > 0 &&
        may('operator') && (
          <Button size="sm" variant="default" onClick={() => revokeAll(user)}>
            Revoke all of {user}
          </Button>
        )
      }
    >
      <div ref={place} tabIndex={-1} style={{ outline: 'none' }}>
        <ProblemAlert error={query.error} retry={() => void query.refetch()} />
        {query.isPending && <Loading />}
        {query.data && items.length === 0 && (
          <Text size="sm" c="dimmed">
            {user
              ? `No approval of ${user} is remembered.`
              : 'None. Where a policy remembers approvals, each is here while it lets the same user in again from the same place.'}
          </Text>
        )}
        {items.length > 0 && (
          <>
            <StackedTable
              label="Remembered approvals"
              columns={ofOne ? ['From', 'Application', 'Until'] : ['User', 'From', 'Application', 'Until']}
              actions
              dense
            >
              {items.map((one) => (
                <Row
                  key={one.id}
                  one={one}
                  ofOne={ofOne}
                  {...(may('operator') ? { revoke: () => revoke(one) } : {})}
                />
              ))}
            </StackedTable>
            <ReadOn
              said={`${plural(items.length, 'approval')}, newest first`}
              more={query.hasNextPage}
              busy={query.isFetchingNextPage}
              read={async () => (await query.fetchNextPage()).hasNextPage}
            />
          </>
        )}
      </div>
    </Section>
  );
}

function Row({ one, ofOne, revoke }: { one: Remembered; ofOne: boolean; revoke?: () => void }) {
  const from = (
    <>
      {one.station}
      {one.client && (
        <Text size="xs" c="dimmed">
          by {one.client}
        </Text>
      )}
    </>
  );
  return (
    <Table.Tr>
      {ofOne ? (
        <WholeCell>{from}</WholeCell>
      ) : (
        <>
          <WholeCell>
            <TextLink
              to="/second-factor/users/$name"
              params={{ name: one.user }}
              size="sm"
              fw={600}
              className="wrap"
            >
              {one.user}
            </TextLink>
          </WholeCell>
          <Cell of="From">{from}</Cell>
        </>
      )}
      <Cell of="Application">{one.application}</Cell>
      <Cell of="Until">
        <Time ms={one.until * 1_000} />
      </Cell>
      <Actions>
        {revoke && (
          <Button
            size="compact-sm"
            variant="default"
            onClick={revoke}
            aria-label={`Revoke the approval of ${one.user} from ${one.station}`}
          >
            Revoke
          </Button>
        )}
      </Actions>
    </Table.Tr>
  );
}
