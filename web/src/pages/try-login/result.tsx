import { Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { Schemas } from '@/api/client';
import { TextLink } from '@/components/links';
import { Explanation } from '@/components/login/explanation';
import { Timeline } from '@/components/login/timeline';
import { loginOf } from '@/components/login/words';
import { Answer } from '../login/detail';
import styles from '../login/detail.module.css';
import { readable } from '../login/reply';

type LoginTried = Schemas['LoginTried'];

/** What came of a login that was tried: the question it asks, or how it ended; and what happened. */
export function Tried({
  tried,
  busy,
  onAnswer,
}: {
  tried: readonly LoginTried[];
  busy: boolean;
  onAnswer: (answer: string, state: string) => void;
}) {
  const last = tried.at(-1);
  const place = useRef<HTMLDivElement>(null);
  const event = last?.event;
  // What came is read next, by a screen reader too. A question has its field for that.
  useEffect(() => {
    if (event && !last?.state) place.current?.focus();
  }, [event, last?.state]);
  if (!last || !event) return null;
  return (
    <Stack
      gap="md"
      ref={place}
      tabIndex={-1}
      aria-label="Result"
      role="region"
      style={{ outline: 'none', scrollMarginTop: 72 }}
    >
      {last.state ? (
        <Question key={event.id} tried={last} state={last.state} busy={busy} onAnswer={onAnswer} />
      ) : (
        <Explanation event={event} />
      )}
      <div>
        <Title order={2} mb="xs">
          What happened
        </Title>
        <Timeline events={tried.map((one) => one.event)} />
      </div>
      <div>
        <Title order={2} mb="xs">
          What a device would be answered
        </Title>
        <Stack gap="sm">
          {tried.map((one) => (
            <Answer key={one.event.id} event={one.event} attributes={one.attributes} />
          ))}
        </Stack>
      </div>
      <TextLink to="/logins/$id" params={{ id: loginOf(event) }} size="sm">
        This test among the logins
      </TextLink>
    </Stack>
  );
}

/** The menu of a challenge, answered as the user would. */
function Question({
  tried,
  state,
  busy,
  onAnswer,
}: {
  tried: LoginTried;
  state: string;
  busy: boolean;
  onAnswer: (answer: string, state: string) => void;
}) {
  const [answer, setAnswer] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const send = (event: FormEvent) => {
    event.preventDefault();
    onAnswer(answer, state);
    setAnswer('');
  };
  return (
    <Paper component="form" withBorder p="md" onSubmit={send} autoComplete="off" aria-label="The question">
      <Title order={2} mb="xs">
        The user is asked
      </Title>
      <pre className={`wrap ${styles.reply}`}>
        {readable(tried.event.reply_message ?? '') || 'A question without words.'}
      </pre>
      <Group gap="xs" align="flex-end" mt="sm">
        <TextInput
          ref={field}
          label="The user’s answer"
          description="The number of an option, or a passcode."
          value={answer}
          onChange={(event) => setAnswer(event.currentTarget.value)}
          autoComplete="off"
          maxLength={128}
          disabled={busy}
        />
        <Button type="submit" disabled={busy}>
          Answer
        </Button>
      </Group>
      <Text size="sm" c="dimmed" mt={6}>
        An option that sends a push really sends it.
      </Text>
    </Paper>
  );
}
