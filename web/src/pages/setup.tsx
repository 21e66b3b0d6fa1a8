import { Alert, Anchor, Button, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { Outside } from '@/components/outside';
import { Loading } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { faultsOf } from '@/lib/faults';
import { sessionChanged } from '@/session';
import { firstPage } from './setup/first-page';
import { forgetFragments } from './setup/fragment';
import { Join, Refused } from './setup/join';
import { useFragment } from './setup/use-fragment';

const NAME = /^[A-Za-z0-9\-_.@]{1,64}$/;

/** Signed in for the first time: the token is used, and the way leads on. */
function useEntered() {
  const client = useQueryClient();
  const router = useRouter();
  return async (who: Schemas['Who']) => {
    forgetFragments();
    sessionChanged(client, who);
    await router.navigate({ to: await firstPage(client, who) });
  };
}

/** `/setup#TOKEN`: the first administrator. */
export function SetupPage() {
  const given = useFragment();
  const entered = useEntered();
  const ways = useQuery({
    queryKey: ['sign-in'],
    queryFn: () => ask(api.GET('/api/v1/sign-in')),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState(false);
  const begin = useMutation({
    mutationFn: (setup: string) => ask(api.POST('/api/v1/setup', { body: { name, setup } })),
  });
  const title = 'Set up this gateway';
  if (given === null || ways.isPending) {
    return (
      <Outside title={title}>
        <Loading />
      </Outside>
    );
  }
  if (begin.data?.invitation) {
    return (
      <Outside title="Password and passcodes" lead={`For ${name}, the first administrator.`} wide>
        <Join name={name} invitation={begin.data.invitation} done={entered} />
      </Outside>
    );
  }
  if (ways.data?.set_up) {
    return (
      <Outside title={title}>
        <Text size="sm">
          It is set up already: there is somebody who may use it, and set-up links no longer work.
        </Text>
        <Button component={Link} to="/sign-in">
          To the sign-in
        </Button>
        <Text size="sm" c="dimmed">
          Was it not you? On the gateway’s machine <code className="mono">countersign admin list</code> says
          who it was.
        </Text>
      </Outside>
    );
  }
  if (!given) return <NoLink title={title} />;
  const { at, rest } = faultsOf(begin.error, (path) => path === 'name');
  const refused = begin.error instanceof ApiError && begin.error.status === 401;
  return (
    <Outside
      title={title}
      lead="Nobody may use it yet. You become the first administrator: a name, a password, and an app for passcodes on your phone."
      wide
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setWrong(!NAME.test(name));
          if (NAME.test(name) && !begin.isPending) begin.mutate(given.token);
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Your name here"
            description="What you sign in with: letters, digits and - _ . @"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={at.name ?? (wrong && 'A name has 1 to 64 letters, digits and - _ . @, without blanks.')}
            required
            autoFocus
          />
          {refused ? <Refused error={begin.error} name={name} /> : <ProblemAlert error={rest} />}
          <Button type="submit" loading={begin.isPending}>
            Go on
          </Button>
        </Stack>
      </form>
    </Outside>
  );
}

function NoLink({ title }: { title: string }) {
  return (
    <Outside title={title}>
      <Alert title="This page needs the link of the gateway’s start" role="status">
        <Stack gap={6}>
          <Text size="sm">
            The gateway prints it when it starts, with a token behind a <code>#</code>. Open the whole link;
            each start prints a new one.
          </Text>
          <Text size="sm">Or, on the gateway’s machine:</Text>
          <Text component="code" className="mono wrap">
            countersign admin invite NAME
          </Text>
        </Stack>
      </Alert>
      <Anchor component={Link} to="/sign-in" size="sm">
        To the sign-in
      </Anchor>
    </Outside>
  );
}

/** `/invitation#TOKEN`, or `#TOKEN&name=NAME`: an administrator who was invited. */
export function InvitationPage() {
  const given = useFragment();
  const entered = useEntered();
  const [form, setForm] = useState<{ name?: string; token?: string }>({});
  const [joined, setJoined] = useState<{ name: string; token: string } | null>(null);
  const [wrong, setWrong] = useState(false);
  const title = 'Become an administrator';
  const name = form.name ?? given?.name ?? '';
  const token = form.token ?? given?.token ?? '';
  if (given === null) {
    return (
      <Outside title={title}>
        <Loading />
      </Outside>
    );
  }
  if (joined) {
    return (
      <Outside title="Password and passcodes" lead={`You sign in as ${joined.name}.`} wide>
        <Join name={joined.name} invitation={joined.token} done={entered} />
        <Button variant="subtle" onClick={() => setJoined(null)}>
          That is not my name
        </Button>
      </Outside>
    );
  }
  return (
    <Outside title={title} lead="An administrator invited you. The invitation works once, for a day." wide>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          const good = NAME.test(name) && token.trim() !== '';
          setWrong(!good);
          if (good) setJoined({ name, token: token.trim() });
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            description="As in the invitation."
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            onChange={(event) => setForm({ ...form, name: event.currentTarget.value })}
            error={wrong && !NAME.test(name) && 'Type the name that you were invited under.'}
            required
            autoFocus={!given?.name}
          />
          {!given && (
            <TextInput
              label="Invitation"
              description="It begins with cst_."
              autoComplete="off"
              spellCheck={false}
              value={token}
              onChange={(event) => setForm({ ...form, token: event.currentTarget.value })}
              error={wrong && token.trim() === '' && 'Type the invitation, or open its link.'}
              required
            />
          )}
          <Button type="submit" autoFocus={!!given?.name}>
            Go on
          </Button>
        </Stack>
      </form>
    </Outside>
  );
}
