import {
  Alert,
  Anchor,
  Button,
  Card,
  Code,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  ThemeIcon,
  Title,
} from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { FileInput, type LucideIcon, MessageCircleQuestion } from 'lucide-react';
import { useState } from 'react';
import type { Schemas } from '@/api/client';
import { aboutQuery, authenticatorsQuery, integrationsQuery } from '@/api/queries';
import { CopyBlock } from '@/components/copy';
import { UnsavedGuard } from '@/components/guard';
import { Loaded, Page } from '@/components/page';
import { ProblemAlert } from '@/components/problem';
import { deviceTemplates } from '@/devices/template';
import { plural } from '@/lib/format';
import { useSession } from '@/session';
import {
  type Answers,
  begun,
  freePort,
  hideSecrets,
  makeSecret,
  NO_ANSWERS,
  QUESTIONS,
  questionOf,
  type Written,
  writeConfig,
} from './wizard/answers';
import { CheckStep } from './wizard/check';
import { DoneStep } from './wizard/done';
import { Fold } from './wizard/fold';
import { Step, Way } from './wizard/frame';
import { ImportFile } from './wizard/import-file';
import type { Sent } from './wizard/look';
import { QuestionStep } from './wizard/questions';
import { Summary } from './wizard/summary';
import { TakeOver } from './wizard/take-over';
import { TrialStep } from './wizard/trial';

type By = 'questions' | 'file';
const STEPS: Record<By, readonly string[]> = {
  questions: [
    'Device',
    'Address',
    'Passwords',
    'Second factor',
    'Mode',
    'Review',
    'Check',
    'Test login',
    'At the device',
  ],
  file: ['File', 'Review', 'Check', 'Test login', 'Done'],
};
const NO_FILE: Sent = { text: '', files: {}, name: 'authproxy.cfg' };

export function WizardPage() {
  const { may } = useSession();
  const about = useQuery(aboutQuery);
  return (
    <Page
      title="Set up"
      lead="From nothing to a first login: bring the configuration that you have, or answer five questions."
    >
      {may('admin') ? (
        <Loaded query={about}>{(known) => <Wizard about={known} />}</Loaded>
      ) : (
        <Alert title="This is for administrators" role="status">
          <Text size="sm">
            Your role may look at the configuration and not change it. Whoever has the role admin sets it up.
          </Text>
        </Alert>
      )}
    </Page>
  );
}

function Wizard({ about }: { about: Schemas['About'] }) {
  const devices = useQuery({
    queryKey: ['devices'],
    queryFn: deviceTemplates,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const integrations = useQuery(integrationsQuery);
  const authenticators = useQuery(authenticatorsQuery);
  const [by, setBy] = useState<By | null>(null);
  const [at, setAt] = useState(0);
  const [answers, setAnswers] = useState<Answers>(NO_ANSWERS);
  const [sent, setSent] = useState<Sent>(NO_FILE);
  const [review, setReview] = useState<{ written: Written; sent: Sent } | null>(null);
  const [served, setServed] = useState<{ revision: number | null; integration: string | null } | null>(null);
  /** Whether all that is there was set up here, and may be replaced when something is mended. */
  const [alone, setAlone] = useState(false);
  const [made, setMade] = useState<Schemas['CreatedUser'] | null>(null);
  /** The line of the file that a fault leads to. */
  const [line, setLine] = useState<number | null>(null);

  const file = about.configuration.kind === 'file' ? { path: about.configuration.path } : null;
  const there = integrations.data?.items ?? [];
  const device = devices.data?.find(({ id }) => id === answers.device);
  const dirty =
    served === null && (begun(answers) || sent.text.trim() !== '' || Object.keys(sent.files).length > 0);

  const ask = () => {
    // What was typed before stays.
    if (answers.secret === '')
      setAnswers({
        ...answers,
        secret: makeSecret(),
        port: String(freePort(new Set(there.map(({ port }) => port)))),
      });
    setBy('questions');
    setAt(0);
  };
  const show = (index: number) => {
    if (by === 'questions' && index === QUESTIONS.length) {
      const taken = [...there, ...(authenticators.data?.items ?? [])].map(({ id }) => id);
      const written = writeConfig(answers, device, new Set(alone ? [] : taken));
      const { text, files } = written;
      setReview({ written, sent: { text, files, name: 'authproxy.cfg' } });
    }
    setAt(index);
  };
  const guard = <UnsavedGuard dirty={dirty} what="the set-up" />;

  if (by === null) {
    return (
      <>
        {guard}
        <Start
          configured={there.length}
          file={file}
          ask={ask}
          asked={begun(answers)}
          bring={() => {
            setBy('file');
            setAt(0);
          }}
          ready={devices.isSuccess && integrations.isSuccess && authenticators.isSuccess}
          missing={[devices, integrations, authenticators].find(({ isError }) => isError)}
        />
      </>
    );
  }

  const steps = STEPS[by];
  const reviewAt = by === 'questions' ? QUESTIONS.length : 1;
  const nothing = there.length === 0 && authenticators.data?.items.length === 0;
  const taken = (revision: number | null) => {
    setAlone(alone || nothing);
    setServed({ revision, integration: by === 'questions' ? (review?.written.integration ?? null) : null });
    setAt(reviewAt + 1);
  };
  const question = by === 'questions' ? QUESTIONS[at] : undefined;
  return (
    <Stack gap="lg">
      {guard}
      <div>
        <Text size="sm" c="dimmed" mb={6}>
          Step {at + 1} of {steps.length}
        </Text>
        <Way steps={steps} at={at} />
      </div>
      {question && (
        <QuestionStep
          key={question}
          question={question}
          answers={answers}
          change={(changed) => setAnswers((before) => ({ ...before, ...changed }))}
          devices={devices.data ?? []}
          back={() => (at === 0 ? setBy(null) : show(at - 1))}
          next={() => show(at + 1)}
        />
      )}
      {by === 'file' && at === 0 && (
        <ImportFile
          sent={sent}
          change={setSent}
          line={line}
          back={() => setBy(null)}
          next={() => {
            setLine(null);
            show(1);
          }}
        />
      )}
      {at === reviewAt && (
        <Step
          key="review"
          title={by === 'questions' ? 'Check your answers' : 'What becomes of the file'}
          lead={
            by === 'questions'
              ? 'Nothing is served before you apply it.'
              : 'What the file says, line by line, and what it would change.'
          }
        >
          <TakeOver
            sent={by === 'questions' && review ? review.sent : sent}
            brought={by === 'file'}
            how={by === 'file' && there.length > 0 ? 'chosen' : by === 'file' || alone ? 'replace' : 'merge'}
            message={by === 'questions' ? `set up: ${device?.title ?? 'a device'}` : `import of ${sent.name}`}
            file={file}
            back={() => show(reviewAt - 1)}
            taken={taken}
            lead={
              by === 'questions' && review
                ? ({ line }) => {
                    const of = questionOf(review.written, line);
                    return of && { label: 'To the question', go: () => show(QUESTIONS.indexOf(of)) };
                  }
                : ({ line: faulty, file: of }) =>
                    // Of the files that go along no line can be shown.
                    faulty && of === sent.name
                      ? {
                          label: `To line ${faulty}`,
                          go: () => {
                            setLine(faulty);
                            show(0);
                          },
                        }
                      : undefined
            }
          >
            {by === 'questions' && review && (
              <>
                <Summary
                  answers={answers}
                  device={device}
                  change={(question) => show(QUESTIONS.indexOf(question))}
                />
                <Fold title="As a configuration file">
                  <ConfigText written={review.written} />
                </Fold>
              </>
            )}
          </TakeOver>
        </Step>
      )}
      {at === reviewAt + 1 && (
        <CheckStep
          key="check"
          revision={served?.revision ?? null}
          mend={
            by === 'file' || alone
              ? () => {
                  setServed(null);
                  setAt(by === 'file' ? 0 : QUESTIONS.indexOf('passwords'));
                }
              : undefined
          }
          integration={served?.integration ?? null}
          next={() => show(reviewAt + 2)}
        />
      )}
      {at === reviewAt + 2 && (
        <TrialStep
          key="trial"
          integration={served?.integration ?? null}
          user={answers.factor === 'builtin' ? answers.user : ''}
          made={made}
          setMade={setMade}
          back={() => show(reviewAt + 1)}
          next={() => show(reviewAt + 3)}
        />
      )}
      {at === reviewAt + 3 && (
        <DoneStep
          key="done"
          answers={by === 'questions' ? answers : null}
          device={device}
          back={() => show(reviewAt + 2)}
        />
      )}
    </Stack>
  );
}

/** The text for reading; secrets are shown when they are asked for. */
function ConfigText({ written }: { written: Written }) {
  const [open, setOpen] = useState(false);
  return (
    <Stack gap="xs">
      <Switch
        label="Show secrets"
        checked={open}
        onChange={(event) => setOpen(event.currentTarget.checked)}
      />
      {open ? (
        <CopyBlock text={written.text} label="The configuration file" />
      ) : (
        // Nothing to take along: a copy with its secrets hidden is good for nothing.
        <Code block tabIndex={0} aria-label="The configuration file">
          {hideSecrets(written)}
        </Code>
      )}
    </Stack>
  );
}

function Start({
  configured,
  file,
  ask,
  asked,
  bring,
  ready,
  missing,
}: {
  configured: number;
  file: { path: string | null } | null;
  ask: () => void;
  /** Whether some of them are answered already. */
  asked: boolean;
  bring: () => void;
  ready: boolean;
  /** What could not be read of all that this needs. */
  missing: { error: unknown; refetch: () => unknown } | undefined;
}) {
  return (
    <Stack gap="md">
      <ProblemAlert error={missing?.error} retry={missing?.refetch} />
      {file && (
        <Alert title="A file is the truth here" role="status">
          <Text size="sm" className="wrap">
            {file.path ? (
              <>
                This installation is configured by <b className="wrap">{file.path}</b>. The way here ends with
                a text for it, or writes it.
              </>
            ) : (
              'This installation is configured by a file of another control plane. The way here ends with a text for it.'
            )}
          </Text>
        </Alert>
      )}
      {configured > 0 && (
        <Alert color="gray" title={`${plural(configured, 'integration')} here already`} role="status">
          <Text size="sm">
            What you set up with questions is added.{' '}
            <Anchor component={Link} to="/integrations" underline="always" inherit>
              Look at what there is
            </Anchor>
          </Text>
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <WayCard
          icon={MessageCircleQuestion}
          title="Answer five questions"
          about="For a new gateway: which device asks, from where, who knows the passwords, what the second factor is. About three minutes."
          button={asked ? 'Go on with the questions' : 'Begin with questions'}
          go={ask}
          ready={ready}
          stuck={missing !== undefined}
        />
        <WayCard
          icon={FileInput}
          title="Bring an authproxy.cfg"
          about="Of a Duo Authentication Proxy, with the certificates that it names. Each line is explained before anything is taken over."
          button="Bring a file"
          go={bring}
          ready={ready}
          stuck={missing !== undefined}
        />
      </SimpleGrid>
      <Text size="sm" c="dimmed">
        Both end with a check of everything that is named, and a test login. Nothing is served before you have
        seen it. Each piece can also be created by hand, under{' '}
        <Anchor component={Link} to="/integrations" underline="always" inherit>
          Integrations
        </Anchor>
        .
      </Text>
    </Stack>
  );
}

function WayCard({
  icon: Icon,
  title,
  about,
  button,
  go,
  ready,
  stuck,
}: {
  icon: LucideIcon;
  title: string;
  about: string;
  button: string;
  go: () => void;
  ready: boolean;
  stuck: boolean;
}) {
  return (
    <Card withBorder p="lg">
      <Stack gap="sm" align="flex-start" h="100%">
        <ThemeIcon size={40} radius="xl" variant="light" aria-hidden>
          <Icon size={20} />
        </ThemeIcon>
        <Title order={2}>{title}</Title>
        <Text size="sm" c="dimmed" flex={1}>
          {about}
        </Text>
        <Button onClick={go} loading={!ready && !stuck} disabled={stuck}>
          {button}
        </Button>
      </Stack>
    </Card>
  );
}
