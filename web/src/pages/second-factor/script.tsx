import { Alert, Button, Group, Modal, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation } from '@tanstack/react-query';
import { FlaskConical } from 'lucide-react';
import { useState } from 'react';
import { FormEnd } from '@/components/form-modal';
import { useSession } from '@/session';
import { useDeeds } from './deeds';
import { Section } from './section';
import { tellFailure, tellWithUndo } from './tell';
import { ANSWERS, type Answer, scriptWords, type User } from './words';

/** Answers that come by themselves: for tests, and dangerous elsewhere. */
export function Script({ user }: { user: User }) {
  const { may } = useSession();
  const { setScript } = useDeeds();
  const [opened, { open, close }] = useDisclosure();
  const { script } = user;
  const save = useMutation({
    mutationFn: (next: NonNullable<User['script']>) => setScript(user, next),
    onSuccess: close,
  });

  const end = async () => {
    try {
      await setScript(user, null);
      tellWithUndo(`${user.name} answers their own pushes again.`, () => setScript(user, script));
    } catch (error) {
      tellFailure('The script is still set', error);
    }
  };

  return (
    <Section title="Tests and demonstrations">
      {script ? (
        <Alert
          color="orange"
          icon={<FlaskConical size={18} aria-hidden />}
          title="Pushes are answered by a script"
        >
          <Text size="sm">
            Without asking a person: {scriptWords(script)}.
            {script.answer === 'approve' && ` Whoever has the password of ${user.name} is let in.`}
          </Text>
          {may('admin') && (
            <Group gap="xs" mt="xs">
              <Button size="compact-sm" variant="default" onClick={end}>
                End the script
              </Button>
              <Button size="compact-sm" variant="default" onClick={open}>
                Change
              </Button>
            </Group>
          )}
        </Alert>
      ) : (
        <Group justify="space-between" gap="xs">
          <Text size="sm" c="dimmed" flex="1 1 200px">
            A script can answer pushes in place of {user.name}. Not for people who log in for real.
          </Text>
          {may('admin') && (
            <Button
              size="sm"
              variant="default"
              onClick={open}
              leftSection={<FlaskConical size={16} aria-hidden />}
            >
              Set a script
            </Button>
          )}
        </Group>
      )}
      <Modal
        opened={opened}
        onClose={() => {
          if (!save.isPending) close();
        }}
        onExitTransitionEnd={save.reset}
        title={`Script for ${user.name}`}
        closeButtonProps={{ 'aria-label': 'Close', disabled: save.isPending }}
      >
        <Form user={user} busy={save.isPending} error={save.error} send={save.mutate} cancel={close} />
      </Modal>
    </Section>
  );
}

function Form({
  user,
  busy,
  error,
  send,
  cancel,
}: {
  user: User;
  busy: boolean;
  error: unknown;
  send: (script: NonNullable<User['script']>) => void;
  cancel: () => void;
}) {
  const [answer, setAnswer] = useState<Answer>(user.script?.answer ?? 'approve');
  const [after, setAfter] = useState<number | string>(user.script?.after_ms ?? 1_500);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) send({ answer, after_ms: answer === 'ignore' ? 0 : Number(after) });
      }}
    >
      <Stack gap="sm">
        <Select
          label="Answer to each push"
          data={Object.entries(ANSWERS).map(([value, label]) => ({ value, label }))}
          value={answer}
          onChange={(value) => value && setAnswer(value as Answer)}
          allowDeselect={false}
          data-autofocus
        />
        {answer !== 'ignore' && (
          <NumberInput
            label="After"
            description="Milliseconds after the push; a push waits 60 seconds."
            min={0}
            max={60_000}
            step={500}
            value={after}
            onChange={setAfter}
          />
        )}
        {answer === 'approve' && (
          <Alert color="orange" title="The second factor then protects nothing">
            <Text size="sm">
              Whoever has the password of {user.name} is let in, until the script is ended.
            </Text>
          </Alert>
        )}
        <FormEnd error={error} submit="Set the script" busy={busy} cancel={cancel} />
      </Stack>
    </form>
  );
}
