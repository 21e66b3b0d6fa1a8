import { Alert, Button, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, api, ask, type Schemas } from '@/api/client';
import { PasscodeSecret } from '@/components/passcode-secret';
import { ProblemAlert } from '@/components/problem';

type Made = Schemas['CreatedUser'];

/** Whether the service is only just starting. */
const starts = (error: Error) =>
  error instanceof ApiError &&
  (error.status === 503 || (error.status === 409 && /not run/.test(error.message)));

/** Somebody at the built-in second factor, with passcodes of an app. */
export function FirstUser({
  name,
  made,
  done,
}: {
  name: string;
  made: Made | null;
  done: (made: Made) => void;
}) {
  const [typed, setTyped] = useState(name);
  const make = useMutation({
    mutationFn: () =>
      ask(
        api.POST('/api/v1/second-factor/users', {
          body: { name: typed.trim(), devices: [{ kind: 'totp', name: 'Authenticator app' }] },
        }),
      ),
    retry: (failures, error) => failures < 10 && starts(error),
    retryDelay: 1_000,
    onSuccess: (answer) => done(answer as Made),
    // The answer has a secret.
    gcTime: 0,
  });
  const device = made?.devices[0];
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Title order={3}>First user</Title>
        {made && device?.secret && device.otpauth_uri ? (
          <>
            <Text size="sm" className="wrap">
              <b>{made.user.name}</b> is made. This is shown once: scan it with the phone that is to have the
              passcodes.
            </Text>
            <PasscodeSecret uri={device.otpauth_uri} secret={device.secret} />
          </>
        ) : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (typed.trim() && !make.isPending) make.mutate();
            }}
          >
            <Stack gap="sm">
              <Text size="sm" c="dimmed">
                Without a user nobody can pass the built-in second factor. This makes one, with a secret for
                an authenticator app.
              </Text>
              <Group align="flex-end" gap="xs">
                <TextInput
                  label="Name"
                  description="As typed at a login."
                  value={typed}
                  onChange={(event) => setTyped(event.currentTarget.value)}
                  autoComplete="off"
                  spellCheck={false}
                  miw={220}
                />
                <Button type="submit" loading={make.isPending} disabled={!typed.trim()}>
                  Create the user
                </Button>
              </Group>
              {make.error instanceof ApiError && make.error.status === 409 && !starts(make.error) ? (
                <Alert color="orange" title="There is such a user already" role="alert">
                  <Text size="sm" className="wrap">
                    {make.error.message} Log in with their device below.
                  </Text>
                </Alert>
              ) : (
                <ProblemAlert error={make.error} />
              )}
            </Stack>
          </form>
        )}
      </Stack>
    </Card>
  );
}
