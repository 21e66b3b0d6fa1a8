/** The answers in words, each with a way back to its question. */
import { Button, Paper, Text } from '@mantine/core';
import type { DeviceTemplate } from '@/devices/template';
import { type Answers, QUESTIONS, type Question } from './answers';
import { MODES } from './modes';
import classes from './summary.module.css';

const NAMES: Record<Question, string> = {
  device: 'Device',
  address: 'Where it sends from',
  passwords: 'Passwords',
  factor: 'Second factor',
  mode: 'How it is asked',
};

const TRANSPORTS: Record<Answers['directoryTransport'], string> = {
  ldaps: 'LDAPS',
  starttls: 'StartTLS',
  clear: 'a connection without TLS',
};

/** What was answered to each question, in sentences. */
export function said(answers: Answers, device: DeviceTemplate | undefined): Record<Question, string[]> {
  const directory = [
    `${answers.primary === 'ad' ? 'Active Directory' : 'The directory'} at ${answers.directoryHost} checks them, by ${TRANSPORTS[answers.directoryTransport]}.`,
    `${answers.directoryUser} looks people up under ${answers.directoryBase}.`,
    answers.directoryGroup
      ? `Only members of ${answers.directoryGroup} may log in.`
      : 'Everybody in it may log in.',
  ];
  return {
    device: [device ? device.title : 'Another one that speaks RADIUS.'],
    address: [
      `Requests come from ${answers.address}, to UDP port ${answers.port}.`,
      'The shared secret is shown again at the end, with the settings of the device.',
    ],
    passwords: {
      ad: directory,
      ldap: directory,
      radius: [`The RADIUS server ${answers.upstreamHost}, port ${answers.upstreamPort}, checks them.`],
      device: ['The device has checked them itself; none is checked here.'],
    }[answers.primary],
    factor: [
      answers.factor === 'duo'
        ? `Duo, at ${answers.apiHost}.`
        : `The built-in one${answers.user ? `, with ${answers.user} as its first user` : ''}.`,
      'A login is rejected where it cannot be reached.',
    ],
    mode: [`${MODES[answers.mode].title}. ${MODES[answers.mode].short}`],
  };
}

export function Summary({
  answers,
  device,
  change,
}: {
  answers: Answers;
  device: DeviceTemplate | undefined;
  change: (question: Question) => void;
}) {
  const texts = said(answers, device);
  return (
    <Paper withBorder px="sm" component="section" aria-label="Your answers">
      {QUESTIONS.map((question) => (
        <div key={question} className={classes.row}>
          <Text size="sm" fw={600}>
            {NAMES[question]}
          </Text>
          <div className={classes.texts}>
            {texts[question].map((text) => (
              <Text size="sm" key={text} className="wrap">
                {text}
              </Text>
            ))}
          </div>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => change(question)}
            aria-label={`Change: ${NAMES[question]}`}
          >
            Change
          </Button>
        </div>
      ))}
    </Paper>
  );
}
