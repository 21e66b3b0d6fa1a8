/** How an invitation is taken: a secret for passcodes, a password, and the first sign-in. */
import { Alert, Button, Loader, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { MonitorSmartphone } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { Loading } from '@/components/page';
import { PasscodeSecret } from '@/components/passcode-secret';
import { ProblemAlert } from '@/components/problem';
import { useNow } from '@/components/time';
import { faultsOf } from '@/lib/faults';
import { otpauth, passcodeBehind, secondsLeft } from '@/lib/totp';

type Who = Schemas['Who'];

/** What is wrong with a password, as the gateway would say. */
export function passwordFault(password: string, name: string): string | null {
  const length = [...password].length;
  if (length < 12) return 'A password has at least 12 characters.';
  if (length > 256) return 'A password has at most 256 characters.';
  if (name && password.toLowerCase().includes(name.toLowerCase()))
    return 'A password does not contain the name.';
  return null;
}

const signIn = (name: string, password: string, passcode: string) =>
  ask(api.POST('/api/v1/session', { body: { name, password, passcode } }));

export function Join({
  name,
  invitation,
  done,
}: {
  name: string;
  invitation: string;
  done: (who: Who) => void;
}) {
  // Another secret each time it is asked: so once, and never again by itself.
  const offer = useQuery({
    queryKey: ['invitation', name],
    queryFn: () => ask(api.POST('/api/v1/invitation', { body: { name, invitation } })),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    retry: false,
  });
  const [taken, setTaken] = useState<{ password: string } | null>(null);
  if (offer.isPending) return <Loading />;
  if (offer.isError) return <Refused error={offer.error} name={name} />;
  const { totp_secret: secret, integration } = offer.data;
  if (taken)
    return <FirstSignIn name={name} password={taken.password} integration={integration} done={done} />;
  return (
    <Take
      name={name}
      invitation={invitation}
      secret={secret ?? null}
      integration={integration ?? null}
      taken={(password, who) => (who ? done(who) : setTaken({ password }))}
    />
  );
}

/** A link that is good no more: why, and what to do. */
export function Refused({ error, name }: { error: unknown; name: string }) {
  if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 409))
    return <ProblemAlert error={error} />;
  return (
    <Alert color="orange" title="This link no longer works" role="alert">
      <Stack gap={6}>
        <Text size="sm">
          It was used, it is older than a day, or a newer one took its place. On the gateway’s machine, this
          creates another:
        </Text>
        <Text component="code" className="mono wrap">
          countersign admin invite {name || 'NAME'}
        </Text>
        {error.requestId && (
          <Text size="xs" c="dimmed" className="wrap">
            Request <span className="mono">{error.requestId}</span>
          </Text>
        )}
      </Stack>
    </Alert>
  );
}

function Take({
  name,
  invitation,
  secret,
  integration,
  taken,
}: {
  name: string;
  invitation: string;
  secret: string | null;
  integration: string | null;
  taken: (password: string, who: Who | null) => void;
}) {
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [passcode, setPasscode] = useState('');
  const [shown, setShown] = useState(false);
  const fault = passwordFault(password, name);
  const differs = again !== password ? 'The two do not match.' : null;
  const short = secret && !/^\d{6}$/.test(passcode) ? 'Type the six digits that the app shows now.' : null;

  const take = useMutation({
    mutationFn: async () => {
      const body = { name, invitation, password, passcode: passcode || (integration ? 'push' : '') };
      await ask(api.POST('/api/v1/invitation', { body }));
      if (!secret) return null;
      // A passcode is good once, and this one is used now: the one behind it signs in.
      const next = await passcodeBehind(secret, passcode).catch(() => undefined);
      return next ? await signIn(name, password, next).catch(() => null) : null;
    },
    onSuccess: (who) => taken(password, who),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setShown(true);
    if (!fault && !differs && !short && !take.isPending) take.mutate();
  };
  const { at, rest } = faultsOf(take.error, (path) => path === 'password' || path === 'passcode');
  const failed = take.error instanceof ApiError && (take.error.status === 401 || take.error.status === 409);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {secret ? (
          <PasscodeSecret uri={otpauth(name, secret)} secret={secret} />
        ) : (
          <Alert icon={<MonitorSmartphone size={18} aria-hidden />} title="Your second factor is asked">
            <Text size="sm">
              It is the one of the integration <b className="wrap">{integration}</b>, under the name{' '}
              <b className="wrap">{name}</b>. When you go on, it asks you once: approve it on your phone, or
              type one of its passcodes below.
            </Text>
          </Alert>
        )}
        <input type="hidden" name="username" autoComplete="username" value={name} readOnly />
        <PasswordInput
          label="Password"
          description="12 characters or more, without your name in it. A few words do well."
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={at.password ?? (shown && fault)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
          required
        />
        <PasswordInput
          label="The password again"
          autoComplete="new-password"
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
          error={shown && !fault && differs}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the repeated password', tabIndex: 0 }}
          required
        />
        <TextInput
          label="Passcode"
          description={secret ? 'The six digits that the app shows now.' : 'Empty: your phone is asked.'}
          autoComplete="one-time-code"
          inputMode={secret ? 'numeric' : 'text'}
          value={passcode}
          onChange={(event) => setPasscode(event.currentTarget.value.replace(/\s/g, ''))}
          error={at.passcode ?? (shown && short)}
          required={!!secret}
        />
        {failed && integration ? (
          <ProblemAlert error={take.error} />
        ) : failed ? (
          <Refused error={take.error} name={name} />
        ) : (
          <ProblemAlert error={rest} />
        )}
        <div aria-live="polite">
          {take.isPending && integration && <Text size="sm">Your phone is asked: approve it there.</Text>}
        </div>
        <Button type="submit" loading={take.isPending}>
          {integration ? 'Accept the invitation' : 'Finish and sign in'}
        </Button>
      </Stack>
    </form>
  );
}

/** Where the sign-in did not follow by itself: one more passcode, or one more question on the phone. */
function FirstSignIn({
  name,
  password,
  integration,
  done,
}: {
  name: string;
  password: string;
  integration: string | null | undefined;
  done: (who: Who) => void;
}) {
  const now = useNow(1_000);
  const [passcode, setPasscode] = useState('');
  const enter = useMutation({
    mutationFn: () => signIn(name, password, passcode || 'push'),
    onSuccess: done,
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!enter.isPending && (passcode || integration)) enter.mutate();
      }}
    >
      <Stack gap="md">
        <Alert color="green" title="You are an administrator now" role="status">
          <Text size="sm">
            {integration ? (
              'Sign in: your second factor is asked once more.'
            ) : (
              <>
                A passcode works once. Type the next one to sign in
                {/* Not for ears: it would be read out each second. */}
                <span aria-hidden>: the app shows it in {secondsLeft(now)} s at most</span>.
              </>
            )}
          </Text>
        </Alert>
        <TextInput
          label={integration ? 'Passcode' : 'Next passcode'}
          description={integration ? 'Empty: your phone is asked.' : undefined}
          autoComplete="one-time-code"
          inputMode={integration ? 'text' : 'numeric'}
          value={passcode}
          onChange={(event) => setPasscode(event.currentTarget.value.replace(/\s/g, ''))}
          autoFocus
        />
        <ProblemAlert error={enter.error} />
        {enter.isPending && integration && (
          <Text size="sm" role="status">
            <Loader size="xs" /> Your phone is asked: approve it there.
          </Text>
        )}
        <Button type="submit" loading={enter.isPending}>
          Sign in
        </Button>
      </Stack>
    </form>
  );
}
