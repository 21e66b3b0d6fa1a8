/** Invitations to set up a device: those that wait, and new ones for many users at once. */
import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Group,
  SegmentedControl,
  Select,
  Stack,
  Table,
  Text,
  Textarea,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Mail, MailQuestion } from 'lucide-react';
import { useRef, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { CopyBlock } from '@/components/copy';
import { Empty } from '@/components/empty';
import { FormEnd } from '@/components/form-modal';
import { TextLink } from '@/components/links';
import { OnceDialog } from '@/components/once-dialog';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { Actions, Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { unlessGone } from '@/lib/gone';
import { useSession } from '@/session';
import { ReadOn } from './more';
import { lines } from './policy-words';
import { changed, enrollmentsQuery, groupsQuery } from './queries';
import { LIVES } from './words';

export function EnrolmentTab() {
  const { may } = useSession();
  const query = useInfiniteQuery(enrollmentsQuery);
  const client = useQueryClient();
  const confirm = useConfirm();
  const [inviting, invite] = useDisclosure();
  const place = useRef<HTMLDivElement>(null);
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const button = may('admin') && (
    <Button onClick={invite.open} leftSection={<Mail size={16} aria-hidden />}>
      Invite users
    </Button>
  );
  const withdraw = (one: Schemas['WaitingEnrollment']) =>
    confirm({
      title: `Withdraw the invitation of ${one.user}?`,
      body: 'Its address opens nothing any more. Another one can be made.',
      confirm: 'Withdraw it',
      danger: true,
      action: async () => {
        await ask(
          api.DELETE('/api/v1/second-factor/enrollments/{id}', { params: { path: { id: one.id } } }),
        ).catch(unlessGone);
        await changed(client);
        notifications.show({ message: `The invitation of ${one.user} is withdrawn.` });
        place.current?.focus();
      },
    });

  return (
    <Stack gap="sm" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      <ProblemAlert error={query.error} retry={() => void query.refetch()} />
      {query.isPending && <Loading />}
      {query.data && items.length === 0 && (
        <Empty icon={MailQuestion} title="No invitation waits" action={button}>
          Who is invited gets a link to a page for setting up a phone, a security key or an authenticator app.
          Until it is used, it is here.
          {!may('admin') && ' Inviting is for administrators.'}
        </Empty>
      )}
      {items.length > 0 && (
        <>
          {button && <Group justify="flex-end">{button}</Group>}
          <StackedTable label="Invitations" columns={['User', 'By', 'Since', 'Good until']} actions dense>
            {items.map((one) => (
              <Table.Tr key={one.id}>
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
                <Cell of="By">
                  <Badge variant="light" color={one.invited ? 'blue' : 'gray'} tt="none">
                    {one.invited ? 'invitation' : 'a login'}
                  </Badge>
                </Cell>
                <Cell of="Since">
                  <Time ms={one.since * 1_000} />
                </Cell>
                <Cell of="Good until">
                  <Time ms={one.until * 1_000} />
                </Cell>
                <Actions>
                  {may('operator') && (
                    <Button
                      size="compact-sm"
                      variant="default"
                      onClick={() => withdraw(one)}
                      aria-label={`Withdraw the invitation of ${one.user}`}
                    >
                      Withdraw
                    </Button>
                  )}
                </Actions>
              </Table.Tr>
            ))}
          </StackedTable>
          <ReadOn
            said={`${plural(items.length, 'invitation')}, newest first`}
            more={query.hasNextPage}
            busy={query.isFetchingNextPage}
            read={async () => (await query.fetchNextPage()).hasNextPage}
            verb="Show older"
          />
        </>
      )}
      <InviteMany opened={inviting} close={invite.close} />
    </Stack>
  );
}

function InviteMany({ opened, close }: { opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const groups = useQuery({ ...groupsQuery, enabled: opened });
  const [whom, setWhom] = useState<'users' | 'group'>('users');
  const [names, setNames] = useState('');
  const [group, setGroup] = useState<string | null>(null);
  const [byEmail, setByEmail] = useState(false);
  const [life, setLife] = useState('604800');
  const create = useMutation({
    mutationFn: async () => {
      const body = {
        by_email: byEmail,
        valid_seconds: Number(life),
        ...(whom === 'users' ? { users: lines(names) } : { group }),
      };
      return (await ask(api.POST('/api/v1/second-factor/enrollments', { body }))) as Schemas['InvitedUsers'];
    },
    onSuccess: () => void changed(client),
    gcTime: 0,
  });
  const made = create.data;
  const ready = whom === 'users' ? lines(names).length > 0 : group !== null;
  const forget = () => {
    create.reset();
    setNames('');
    setGroup(null);
  };

  return (
    <OnceDialog
      opened={opened}
      close={close}
      forget={forget}
      busy={create.isPending}
      made={made !== undefined}
      title={made ? 'What became of the invitations' : 'Invite users to set up a device'}
    >
      {made ? (
        <Invited made={made} done={close} />
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!create.isPending && ready) create.mutate();
          }}
        >
          <Stack gap="sm">
            <SegmentedControl
              aria-label="Whom"
              data={[
                { value: 'users', label: 'by name' },
                { value: 'group', label: 'a group' },
              ]}
              value={whom}
              onChange={(value) => setWhom(value as 'users' | 'group')}
            />
            {whom === 'users' ? (
              <Textarea
                label="Users"
                description="Their names, one on each line, at most 1,000."
                autosize
                minRows={3}
                maxRows={10}
                value={names}
                onChange={(event) => setNames(event.currentTarget.value)}
                spellCheck={false}
              />
            ) : (
              <Select
                label="Group"
                description="All in it who have no device."
                data={groups.data?.items.map(({ name }) => name) ?? []}
                value={group}
                onChange={setGroup}
                searchable
                nothingFoundMessage="No such group"
              />
            )}
            <Select
              label="Good for"
              data={LIVES}
              value={life}
              onChange={(value) => value && setLife(value)}
              allowDeselect={false}
            />
            <Checkbox
              label="Tell each of them by e-mail"
              description="Where an SMTP server is set up, and the user has an address. Without, you pass the addresses on."
              checked={byEmail}
              onChange={(event) => setByEmail(event.currentTarget.checked)}
            />
            <FormEnd
              error={create.error}
              submit="Invite"
              ready={ready}
              busy={create.isPending}
              cancel={close}
            />
          </Stack>
        </form>
      )}
    </OnceDialog>
  );
}

function Invited({ made, done }: { made: Schemas['InvitedUsers']; done: () => void }) {
  const shown = made.invited.flatMap(({ user, url }) => (url ? [`${user}\t${url}`] : []));
  const mailed = made.invited.length - shown.length;
  return (
    <Stack gap="sm">
      <Text size="sm">
        {plural(made.invited.length, 'user is', 'users are')} invited
        {mailed > 0 && `, ${mailed} of them by e-mail`}.
      </Text>
      {shown.length > 0 && (
        <>
          <CopyBlock text={shown.join('\n')} label="Users and addresses" />
          <Text size="sm">
            Whoever opens an address can add a device to that user. They are shown only once.
          </Text>
        </>
      )}
      {made.refused.length > 0 && (
        <Alert color="orange" title={`${plural(made.refused.length, 'user was', 'users were')} not invited`}>
          <Stack gap={2} component="ul" m={0} pl="md">
            {made.refused.slice(0, 100).map(({ name, why }) => (
              <Text size="sm" key={name} component="li" className="wrap">
                {name}: {why}
              </Text>
            ))}
          </Stack>
        </Alert>
      )}
      <Group justify="flex-end">
        <Button onClick={done}>I have it</Button>
      </Group>
    </Stack>
  );
}
