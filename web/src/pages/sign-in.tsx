import {
  Alert,
  Button,
  Divider,
  Loader,
  PasswordInput,
  Stack,
  Text,
  TextInput,
  VisuallyHidden,
} from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { LogIn, Smartphone } from 'lucide-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiError, api, ask, errorOf, type Schemas } from '@/api/client';
import { Outside } from '@/components/outside';
import { ProblemAlert } from '@/components/problem';
import { useNow } from '@/components/time';
import { localClock, seconds } from '@/lib/format';
import { localPath } from '@/lib/local-path';
import { forgetWanted, keepWanted, wanted } from '@/lib/sign-in-memory';
import { sessionChanged } from '@/session';
import { firstPage } from './setup/first-page';

/** How long the gateway waits for a person. */
const PATIENCE_MS = 180_000;

interface Entry {
  name: string;
  password: string;
  /** `push` asks the phone. */
  passcode: string;
}

/** Where somebody goes after the sign-in: where they wanted to, or on with what is not done yet. */
function useEntered(to: string | undefined) {
  const client = useQueryClient();
  const router = useRouter();
  return async (who: Schemas['Who']) => {
    sessionChanged(client, who);
    forgetWanted();
    const path = localPath(to);
    if (path) return router.history.push(path);
    await router.navigate({ to: await firstPage(client, who) });
  };
}

export function SignInPage() {
  const { to: given, provider, request } = useSearch({ from: '/sign-in' });
  // Who comes back from the provider without having been let in wants what they wanted before.
  const to = given ?? (provider ? wanted() : undefined);
  const entered = useEntered(to);
  const ways = useQuery({ queryKey: ['sign-in'], queryFn: () => ask(api.GET('/api/v1/sign-in')) });
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [passcode, setPasscode] = useState('');
  const [asked, setAsked] = useState(false);
  const cancel = useRef<AbortController | null>(null);
  const [until, setUntil] = useState(0);
  const now = useNow(until > Date.now() ? 500 : null);
  const wait = Math.ceil((until - now) / 1_000);

  const enter = useMutation({
    mutationFn: (entry: Entry) => {
      cancel.current = new AbortController();
      return ask(api.POST('/api/v1/session', { body: entry, signal: cancel.current.signal }));
    },
    onSuccess: entered,
    onError: (error) => {
      setPasscode('');
      if (error instanceof ApiError && error.retryAfter) setUntil(Date.now() + error.retryAfter * 1_000);
    },
    // It has the password.
    gcTime: 0,
  });
  // Who goes away asks for nothing any more.
  useEffect(() => () => cancel.current?.abort(), []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (name && password && passcode && wait <= 0 && !enter.isPending)
      enter.mutate({ name, password, passcode });
  };
  const push = () => {
    setAsked(true);
    if (name && password && wait <= 0 && !enter.isPending) enter.mutate({ name, password, passcode: 'push' });
  };
  const missing = (value: string, what: string) => asked && value === '' && `Type your ${what}.`;

  if (enter.isPending && enter.variables.passcode === 'push') {
    return <Waiting since={enter.submittedAt} cancel={() => cancel.current?.abort()} />;
  }
  const aborted = enter.error instanceof DOMException;
  const refused = enter.error instanceof ApiError && enter.error.status === 401;
  return (
    <Outside title="Sign in">
      {ways.data?.set_up === false && <NotSetUp />}
      {provider && <ProviderFailed kind={provider} request={request} />}
      <ProblemAlert error={ways.error} retry={() => ways.refetch()} />
      <form onSubmit={submit} noValidate>
        <Stack gap="sm">
          <TextInput
            label="Name"
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={missing(name, 'name')}
            required
            autoFocus
          />
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={missing(password, 'password')}
            visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
            required
          />
          <TextInput
            label="Passcode"
            description="From your authenticator app; each works once."
            name="passcode"
            autoComplete="one-time-code"
            value={passcode}
            onChange={(event) => setPasscode(event.currentTarget.value.replace(/\s/g, ''))}
            error={
              asked && passcode === '' && !enter.isError && 'Type a passcode, or be asked on your phone.'
            }
          />
          <div aria-live="polite">
            {aborted ? (
              <Alert color="gray" title="Cancelled">
                <Text size="sm">Your phone may still show the question: deny it.</Text>
              </Alert>
            ) : wait > 0 ? (
              // Not for ears: it would be read out each second.
              <Alert
                color="orange"
                title={
                  <>
                    <VisuallyHidden>Wait</VisuallyHidden>
                    <span aria-hidden>Wait {seconds(wait)}</span>
                  </>
                }
              >
                <Text size="sm">
                  Too many sign-ins failed. The next one is answered from {localClock(until)} on.
                </Text>
              </Alert>
            ) : enter.error instanceof ApiError && enter.error.status === 429 && until > 0 ? null : (
              <>
                <ProblemAlert error={enter.error} title={titleOf(enter.error)} />
                {refused && enter.variables?.passcode === 'push' && (
                  <Text size="sm" mt={6}>
                    Only administrators whose second factor is one of an integration are asked on their phone.
                    The others type a passcode.
                  </Text>
                )}
              </>
            )}
          </div>
          <Button
            type="submit"
            loading={enter.isPending}
            disabled={wait > 0}
            leftSection={<LogIn size={16} aria-hidden />}
            mt={4}
          >
            Sign in
          </Button>
          <Button
            variant="subtle"
            onClick={push}
            disabled={wait > 0 || enter.isPending}
            leftSection={<Smartphone size={16} aria-hidden />}
          >
            Ask on my phone
          </Button>
        </Stack>
      </form>
      {ways.data?.provider && <Provider to={to} />}
    </Outside>
  );
}

function titleOf(error: unknown): string | undefined {
  return error instanceof ApiError && error.status === 401 ? 'You are not signed in' : undefined;
}

function Waiting({ since, cancel }: { since: number; cancel: () => void }) {
  const now = useNow(1_000);
  const left = Math.max(0, Math.ceil((since + PATIENCE_MS - now) / 1_000));
  return (
    <Outside title="Look at your phone">
      <Stack gap="md" align="center" ta="center">
        <Loader aria-label="Waiting for your phone" role="status" />
        <Text size="sm" role="status">
          Your password is checked, then your second factor is asked. Approve the request on your phone, and
          you are in.
        </Text>
        <Text size="sm" c="dimmed">
          Waiting for another {seconds(left)}.
        </Text>
        <Button variant="default" onClick={cancel} autoFocus>
          Cancel
        </Button>
      </Stack>
    </Outside>
  );
}

function NotSetUp() {
  return (
    <Alert title="Nobody may sign in yet" role="status">
      <Stack gap={6}>
        <Text size="sm">
          This gateway is not set up. Open the link that it printed when it started: it makes the first
          administrator. Or, on its machine:
        </Text>
        <Text component="code" className="mono wrap">
          countersign admin invite NAME
        </Text>
      </Stack>
    </Alert>
  );
}

/** What each kind of failure means. The address may be anybody's: no text of it is shown but the request's id. */
const FAILED: Record<string, string> = {
  unauthenticated:
    'The provider did not say who you are in a way that is accepted here, or nobody with your name and groups is let in. An administrator can see why in the gateway’s log.',
  'bad-request':
    'The provider refused, or it was cancelled there; or this browser did not begin this sign-in, or longer than ten minutes ago. Begin again.',
  unavailable:
    'The provider cannot be reached from the gateway, or its answer cannot be read. Try again in a moment.',
  'too-many': 'Too many sign-ins failed. Wait a moment, then begin again.',
  'not-found': 'No provider is set up here any more.',
};

function ProviderFailed({ kind, request }: { kind: string; request: string | undefined }) {
  return (
    <Alert color="red" title="You are not signed in" role="alert">
      <Text size="sm">
        {(Object.hasOwn(FAILED, kind) && FAILED[kind]) || 'The sign-in at the provider failed. Begin again.'}
      </Text>
      {request && /^[\w.-]{1,64}$/.test(request) && (
        <Text size="xs" c="dimmed" mt={6} className="wrap">
          Request <span className="mono">{request}</span>
        </Text>
      )}
    </Alert>
  );
}

const PROVIDER = '/api/v1/session/oidc';

/** Another way in: asked first whether it is there, so that a fault is shown here. */
function Provider({ to }: { to: string | undefined }) {
  const go = useMutation({
    mutationFn: async () => {
      const answer = await fetch(PROVIDER, { redirect: 'manual' });
      if (answer.type !== 'opaqueredirect' && !answer.ok)
        throw errorOf(answer, await answer.json().catch(() => null));
      keepWanted(to);
      window.location.assign(PROVIDER);
    },
  });
  return (
    <Stack gap="sm">
      <Divider label="or" />
      <Button variant="default" onClick={() => go.mutate()} loading={go.isPending}>
        Sign in at your provider
      </Button>
      <ProblemAlert error={go.error} title="The provider cannot be asked" />
    </Stack>
  );
}
