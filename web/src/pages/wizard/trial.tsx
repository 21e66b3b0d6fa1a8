import { Button, Card, Loader, NativeSelect, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { Explanation, Timeline } from '@/components/login';
import { ProblemAlert } from '@/components/problem';
import { FirstUser } from './first-user';
import { Onward, Step } from './frame';

type Tried = Schemas['LoginTried'];

/** A login as a device would ask for it, explained; nobody is let in anywhere. */
export function TrialStep({
  integration,
  user,
  made,
  back,
  next,
  setMade,
}: {
  /** Which, where it is known. */
  integration: string | null;
  user: string;
  made: Schemas['CreatedUser'] | null;
  back: () => void;
  next: () => void;
  setMade: (made: Schemas['CreatedUser']) => void;
}) {
  const integrations = useQuery(integrationsQuery);
  const [chosen, setChosen] = useState<string | null>(integration);
  const all = integrations.data?.items ?? [];
  const through = chosen ?? all[0]?.id ?? '';
  const it = all.find(({ id }) => id === through);
  const builtin = it?.application.pinned_ca != null;
  const [name, setName] = useState(made?.user.name ?? user);
  const [password, setPassword] = useState('');
  const [answer, setAnswer] = useState('');
  const [asked, setAsked] = useState<Tried[]>([]);
  /** Whose login it is, and where: its question is answered so, whatever the fields have by then. */
  const [begun, setBegun] = useState({ integration: '', user: '' });
  const cancel = useRef<AbortController | null>(null);
  useEffect(() => () => cancel.current?.abort(), []);
  const login = useMutation({
    mutationFn: (body: Schemas['LoginRequest']) => {
      cancel.current = new AbortController();
      return ask(api.POST('/api/v1/logins', { body, signal: cancel.current.signal }));
    },
    onSuccess: (tried, { state }) => {
      setAsked((before) => (state ? [...before, tried] : [tried]));
      setAnswer('');
    },
    // It has the password.
    gcTime: 0,
  });
  const last = asked.at(-1);
  const question = last?.state ? last : undefined;
  const accepted = last?.event.outcome === 'accept';
  return (
    <Step
      title="Try a login"
      lead="As a device would ask: the password and the second factor are real, and nobody is let in anywhere."
    >
      <Stack gap="md" maw={760}>
        {builtin && (
          <FirstUser
            name={user}
            made={made}
            done={(created) => {
              setMade(created);
              setName(created.user.name);
            }}
          />
        )}
        <Card withBorder>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (name && password && through && !login.isPending) {
                const who = { integration: through, user: name };
                setAsked([]);
                setBegun(who);
                login.mutate({ ...who, password });
              }
            }}
          >
            <Stack gap="sm" maw={440}>
              {all.length > 1 && (
                <NativeSelect
                  label="Integration"
                  value={through}
                  onChange={(event) => setChosen(event.currentTarget.value)}
                  data={all.map(({ id }) => id)}
                />
              )}
              <TextInput
                label="User"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                autoComplete="off"
                spellCheck={false}
                required
              />
              <PasswordInput
                label="Password"
                description={hint(it)}
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
                autoComplete="off"
                visibilityToggleButtonProps={{ 'aria-label': 'Show the password', tabIndex: 0 }}
                required
              />
              <Button
                type="submit"
                loading={login.isPending && !question}
                disabled={!name || !password || !through || login.isPending}
                style={{ alignSelf: 'flex-start' }}
              >
                Log in
              </Button>
            </Stack>
          </form>
        </Card>
        <ProblemAlert error={integrations.error} />
        {!(login.error instanceof DOMException) && <ProblemAlert error={login.error} />}
        <div aria-live="polite">
          {login.isPending && (
            <Card withBorder>
              <Stack gap="xs" align="flex-start">
                <Text size="sm">
                  <Loader size="xs" aria-hidden /> The login is under way. A push waits up to three minutes
                  for its person.
                </Text>
                <Button size="compact-sm" variant="default" onClick={() => cancel.current?.abort()}>
                  Cancel
                </Button>
              </Stack>
            </Card>
          )}
        </div>
        {question && !login.isPending && (
          <Card withBorder>
            <form
              onSubmit={(event) => {
                event.preventDefault();
                if (question.state) login.mutate({ ...begun, answer, state: question.state });
              }}
            >
              <Stack gap="sm" maw={440}>
                <Text size="sm" className="wrap" style={{ whiteSpace: 'pre-wrap' }}>
                  {question.event.reply_message}
                </Text>
                <TextInput
                  label="Answer"
                  description="As the user would: a number, a word, a passcode."
                  value={answer}
                  onChange={(event) => setAnswer(event.currentTarget.value)}
                  autoComplete="one-time-code"
                  autoFocus
                />
                <Button type="submit" style={{ alignSelf: 'flex-start' }}>
                  Answer
                </Button>
              </Stack>
            </form>
          </Card>
        )}
        {last && !question && <Explanation event={last.event} />}
        {last && (
          <Card withBorder>
            <Timeline events={asked.map(({ event }) => event)} />
          </Card>
        )}
      </Stack>
      <Onward>
        <Button variant="default" onClick={back}>
          Back
        </Button>
        <Button variant={accepted ? 'filled' : 'default'} onClick={next}>
          {accepted ? 'Next' : 'Skip the test'}
        </Button>
      </Onward>
    </Step>
  );
}

/** What is typed into the password field. */
function hint(integration: Schemas['Integration'] | undefined): string | undefined {
  const mode = integration?.mode;
  if (mode === 'duo_only') return 'The factor itself: push, or a passcode.';
  if (mode === 'concat') return 'The password, a comma, and the factor: password,123456';
  if (mode === 'auto') return 'Alone it sends a push. With a passcode behind it: password,123456';
  return undefined;
}
