import { Alert, Stack } from '@mantine/core';
import { useSearch } from '@tanstack/react-router';
import { FlaskConical, Lock } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { Empty } from '@/components/empty';
import { TextLink } from '@/components/links';
import { Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { useSession } from '@/session';
import { TryForm } from './try-login/form';
import { answerOf, faultsOf, type LoginRequest, requestOf, type Typed, typedOf } from './try-login/request';
import { Tried } from './try-login/result';
import { Waiting } from './try-login/waiting';

type LoginTried = Schemas['LoginTried'];

export function TryLoginPage() {
  const { may } = useSession();
  return (
    <Page
      title="Try a login"
      lead="Log somebody in at a node, as a device would, and see what comes of it, step by step."
    >
      {may('operator') ? (
        <TryLogin />
      ) : (
        <Empty
          icon={Lock}
          title="This needs the role operator"
          action={<TextLink to="/logins">To the logins</TextLink>}
        >
          Who tries a login asks somebody’s phone. An administrator can give you the role.
        </Empty>
      )}
    </Page>
  );
}

function TryLogin() {
  const search = useSearch({ from: '/shell/try-login' });
  const [typed, setTyped] = useState<Typed>(() => typedOf(search));
  /** The login that is tried, as it was sent. */
  const [begun, setBegun] = useState<Typed>(typed);
  const [tried, setTried] = useState<LoginTried[]>([]);
  const [began, setBegan] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const abort = useRef<AbortController | null>(null);
  // Who leaves waits for nothing: the gateway ends it then.
  useEffect(() => () => abort.current?.abort(), []);

  const send = async (body: LoginRequest, before: LoginTried[]) => {
    abort.current?.abort();
    const own = new AbortController();
    abort.current = own;
    setError(null);
    setTried(before);
    setBegan(Date.now());
    try {
      const result = await ask(api.POST('/api/v1/logins', { body, signal: own.signal }));
      if (!own.signal.aborted) setTried([...before, result]);
    } catch (failure) {
      if (!own.signal.aborted) setError(failure);
    } finally {
      if (abort.current === own) setBegan(null);
    }
  };
  const start = (integration: string) => {
    const now = { ...typed, integration };
    // It is sent once, and kept nowhere.
    setTyped({ ...now, password: '' });
    setBegun({ ...now, password: '' });
    void send(requestOf(now), []);
  };
  const stop = () => {
    abort.current?.abort();
    setBegan(null);
  };
  const { at, rest } = faultsOf(error);
  return (
    <Stack gap="md">
      <Alert color="orange" icon={<FlaskConical size={18} aria-hidden />} title="A push is really sent">
        Primary and second factor are asked for real: the user’s phone rings. Nobody is let in anywhere, and
        the audit says that you tried it.
      </Alert>
      <TryForm typed={typed} setTyped={setTyped} faults={at} busy={began !== null} onSubmit={start} />
      <ProblemAlert error={rest} />
      {began !== null && <Waiting since={began} onStop={stop} />}
      {tried.length > 0 && (
        <Tried
          tried={tried}
          busy={began !== null}
          onAnswer={(answer, state) => void send(answerOf(begun, typed.node, answer, state), tried)}
        />
      )}
    </Stack>
  );
}
