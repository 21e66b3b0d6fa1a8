import { Button, Card, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { aboutQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { Page } from '@/components/page';
import { PasscodeSecret } from '@/components/passcode-secret';
import { ProblemAlert } from '@/components/problem';
import { Time } from '@/components/time';
import { faultsOf } from '@/lib/faults';
import { otpauth } from '@/lib/totp';
import { sessionChanged, useSession } from '@/session';
import { passwordFault } from './setup/join';

export function AccountPage() {
  const { caller, role } = useSession();
  const about = useQuery(aboutQuery);
  const [kind, name = ''] = splitCaller(caller);
  const session = about.data?.session;
  return (
    <Page title="Your account" lead="Who you are here, what you sign in with, and where you are signed in.">
      <Card withBorder>
        <Stack gap={4}>
          <Title order={2}>You</Title>
          <Text size="sm" className="wrap">
            {kind === 'admin' ? (
              <>
                <b>{name}</b>, an administrator of this installation, role {role}.
              </>
            ) : (
              <>
                <b>{caller}</b>, role {role}.
              </>
            )}
          </Text>
          {session && (
            <Text size="sm" c="dimmed">
              This session ends at <Time ms={session.ends_at_ms} />, or{' '}
              <Time ms={session.unused_ends_at_ms} /> if you do nothing until then.
            </Text>
          )}
          <ProblemAlert error={about.error} />
        </Stack>
      </Card>
      {kind === 'admin' ? (
        <>
          <PasswordCard name={name} />
          <PasscodesCard name={name} />
        </>
      ) : (
        <Card withBorder>
          <Title order={2}>Password and passcodes</Title>
          <Text size="sm" mt={4}>
            {kind === 'oidc'
              ? 'You sign in at your provider: password and second factor are changed there.'
              : 'A token has neither password nor passcodes. It is revoked under Tokens.'}
          </Text>
        </Card>
      )}
      {(kind === 'admin' || kind === 'oidc') && <SessionsCard name={name} />}
    </Page>
  );
}

/** `admin nora` -> `['admin', 'nora']`. */
export function splitCaller(caller: string): [kind: string, name?: string] {
  const at = caller.indexOf(' ');
  return at < 0 ? [caller] : [caller.slice(0, at), caller.slice(at + 1)];
}

const EYE = { 'aria-label': 'Show it', tabIndex: 0 };

function Section({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  return (
    <Card withBorder>
      <Stack gap="sm" maw={520}>
        <div>
          <Title order={2}>{title}</Title>
          <Text size="sm" c="dimmed">
            {lead}
          </Text>
        </div>
        {children}
      </Stack>
    </Card>
  );
}

function PasswordCard({ name }: { name: string }) {
  const empty = { password: '', next: '', again: '', passcode: '' };
  const [form, setForm] = useState(empty);
  const [shown, setShown] = useState(false);
  const set = (field: keyof typeof empty) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((before) => ({ ...before, [field]: value }));
  };
  const change = useMutation({
    mutationFn: () =>
      ask(
        api.PUT('/api/v1/session/password', {
          body: { password: form.password, new_password: form.next, passcode: form.passcode.trim() },
        }),
      ),
    onSuccess: () => {
      setForm(empty);
      setShown(false);
      notifications.show({
        color: 'green',
        message: 'The password is changed. All your other sessions ended.',
      });
    },
    onError: () => setForm((before) => ({ ...before, passcode: '' })),
  });
  const fault = passwordFault(form.next, name);
  const differs = form.next !== form.again ? 'The two do not match.' : null;
  const { at, rest } = faultsOf(change.error, (path) => path === 'new_password');
  return (
    <Section title="Password" lead="Changing it ends all your other sessions.">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setShown(true);
          if (form.password && !fault && !differs && !change.isPending) change.mutate();
        }}
      >
        <Stack gap="sm">
          <input type="hidden" name="username" autoComplete="username" value={name} readOnly />
          <PasswordInput
            label="Present password"
            autoComplete="current-password"
            value={form.password}
            onChange={set('password')}
            error={shown && !form.password && 'Type the present one.'}
            visibilityToggleButtonProps={EYE}
            required
          />
          <PasswordInput
            label="New password"
            description="12 characters or more, without your name in it."
            autoComplete="new-password"
            value={form.next}
            onChange={set('next')}
            error={at.new_password ?? (shown && fault)}
            visibilityToggleButtonProps={EYE}
            required
          />
          <PasswordInput
            label="New password again"
            autoComplete="new-password"
            value={form.again}
            onChange={set('again')}
            error={shown && !fault && differs}
            visibilityToggleButtonProps={EYE}
            required
          />
          <TextInput
            label="Passcode"
            description="One that has not been used yet. Empty, where your second factor is an integration’s: your phone is asked."
            autoComplete="one-time-code"
            value={form.passcode}
            onChange={set('passcode')}
          />
          <ProblemAlert error={rest} />
          <Group>
            <Button type="submit" loading={change.isPending}>
              Change the password
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function PasscodesCard({ name }: { name: string }) {
  const [password, setPassword] = useState('');
  const [passcode, setPasscode] = useState('');
  const [confirmed, setConfirmed] = useState('');
  const [secret, setSecret] = useState<string | null>(null);
  const want = useMutation({
    mutationFn: () =>
      ask(api.POST('/api/v1/session/totp', { body: { password, passcode: passcode.trim() } })),
    onSuccess: ({ totp_secret }) => {
      setPassword('');
      // What was wrong with a passcode of the secret before.
      confirm.reset();
      setSecret(totp_secret ?? null);
    },
    onSettled: () => setPasscode(''),
  });
  const confirm = useMutation({
    mutationFn: () => ask(api.PUT('/api/v1/session/totp', { body: { passcode: confirmed.trim() } })),
    onSuccess: () => {
      setSecret(null);
      notifications.show({
        color: 'green',
        message: 'The new secret is in use. All your other sessions ended.',
      });
    },
    onSettled: () => setConfirmed(''),
  });
  const through = want.error instanceof ApiError && want.error.status === 409;
  const lead = 'For another phone, or when somebody may have seen the secret.';
  if (secret !== null) {
    const { at, rest } = faultsOf(confirm.error, (path) => path === 'passcode');
    return (
      <Section title="Passcodes" lead="The old secret works until a passcode of the new one is accepted.">
        <PasscodeSecret uri={otpauth(name, secret)} secret={secret} />
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (confirmed && !confirm.isPending) confirm.mutate();
          }}
        >
          <Stack gap="sm">
            <TextInput
              label="Passcode of the new secret"
              autoComplete="one-time-code"
              inputMode="numeric"
              value={confirmed}
              onChange={(event) => setConfirmed(event.currentTarget.value)}
              error={at.passcode}
              autoFocus
              required
            />
            <ProblemAlert error={rest} />
            <Group gap="xs">
              <Button type="submit" loading={confirm.isPending}>
                Use the new secret
              </Button>
              <Button variant="default" onClick={() => setSecret(null)} disabled={confirm.isPending}>
                Keep the old one
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
    );
  }
  return (
    <Section title="Passcodes" lead={lead}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (password && passcode && !want.isPending) want.mutate();
        }}
      >
        <Stack gap="sm">
          <PasswordInput
            label="Your password"
            autoComplete="current-password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            visibilityToggleButtonProps={EYE}
            required
          />
          <TextInput
            label="Present passcode"
            description="One that has not been used yet. Without the old app, have yourself removed and invited again."
            autoComplete="one-time-code"
            inputMode="numeric"
            value={passcode}
            onChange={(event) => setPasscode(event.currentTarget.value)}
            required
          />
          <ProblemAlert
            error={want.error}
            title={through ? 'Your passcodes come from elsewhere' : undefined}
          />
          <Group>
            <Button type="submit" loading={want.isPending} disabled={!password || !passcode}>
              Create a new secret
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}

function SessionsCard({ name }: { name: string }) {
  const confirm = useConfirm();
  const client = useQueryClient();
  const router = useRouter();
  const end = async (query: { elsewhere: true } | { everywhere: true }) => {
    await ask(api.DELETE('/api/v1/session', { params: { query } }));
  };
  return (
    <Section
      title="Sessions"
      lead="A session ends after 12 hours, or after one hour without activity. Lost a browser? End the others."
    >
      <Group gap="xs">
        <Button
          variant="default"
          onClick={() =>
            confirm({
              title: 'Sign out elsewhere?',
              body: `All sessions of ${name} but this one end.`,
              confirm: 'Sign out elsewhere',
              action: async () => {
                await end({ elsewhere: true });
                notifications.show({ color: 'green', message: 'You are signed in nowhere else.' });
              },
            })
          }
        >
          Sign out elsewhere
        </Button>
        <Button
          variant="outline"
          color="red"
          onClick={() =>
            confirm({
              title: 'Sign out everywhere?',
              body: `All sessions of ${name} end, this one too.`,
              confirm: 'Sign out everywhere',
              danger: true,
              action: async () => {
                await end({ everywhere: true });
                sessionChanged(client);
                await router.navigate({ to: '/sign-in' });
              },
            })
          }
        >
          Sign out everywhere
        </Button>
      </Group>
    </Section>
  );
}
