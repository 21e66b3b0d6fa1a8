import { Alert, Button, Group, Modal, NumberInput, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { FlaskConical } from 'lucide-react';
import { useState } from 'react';
import { ProblemAlert } from '@/components/problem';
import { useSession } from '@/session';
import { tellFailure, tellWithUndo, useDeeds } from './data';
import { Section } from './section';
import { ANSWERS, type Answer, scriptWords, type User } from './words';

/** Answers that come by themselves: for tests, and dangerous elsewhere. */
export function Script({ user }: { user: User }) {
  const { may } = useSession();
  const { setScript } = useDeeds();
  const [opened, { open, close }] = useDisclosure();
  const { script } = user;

  const end = async () => {
    try {
      await setScript(user, null);
      tellWithUndo(`${user.name} answers their own pushes again.`, () => setScript(user, script));
    } catch (error) {
      tellFailure('The script goes on', error);
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
            A script can answer pushes in the place of {user.name}. Not for people who log in for real.
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
        onClose={close}
        title={`Script for ${user.name}`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Form user={user} close={close} />
      </Modal>
    </Section>
  );
}

function Form({ user, close }: { user: User; close: () => void }) {
  const { setScript } = useDeeds();
  const [answer, setAnswer] = useState<Answer>(user.script?.answer ?? 'approve');
  const [after, setAfter] = useState<number | string>(user.script?.after_ms ?? 1_500);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await setScript(user, { answer, after_ms: answer === 'ignore' ? 0 : Number(after) });
      close();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
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
          <Alert color="orange" title="The second factor is then worth nothing">
            <Text size="sm">
              Whoever has the password of {user.name} is let in, until the script is ended.
            </Text>
          </Alert>
        )}
        <ProblemAlert error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close} disabled={busy}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            Set the script
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
