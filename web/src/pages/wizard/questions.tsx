import { Alert, Button, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { api, ask } from '@/api/client';
import { ProblemAlert } from '@/components/problem';
import type { DeviceTemplate } from '@/devices/template';
import { type Answers, answersUpTo, faultsOf, foundAt, type Question, writeConfig } from './answers';
import { AddressFields, DeviceFields } from './device-fields';
import { FactorFields, ModeFields } from './factor-fields';
import { Onward, Step } from './frame';
import { PasswordFields } from './password-fields';

export interface FieldsProps {
  answers: Answers;
  change: (changed: Partial<Answers>) => void;
  faults: Partial<Record<keyof Answers, string>>;
  devices: readonly DeviceTemplate[];
}

const ASKED: Record<
  Question,
  { title: string; lead: string; Fields: (props: FieldsProps) => React.ReactNode }
> = {
  device: {
    title: 'Which device asks?',
    lead: 'What people log in to: a VPN gateway, a firewall, a switch. It decides how the second factor is shown to them, and which settings you get at the end.',
    Fields: DeviceFields,
  },
  address: {
    title: 'Where does it send from?',
    lead: 'The gateway answers only devices whose address it knows, and who know the shared secret.',
    Fields: AddressFields,
  },
  passwords: {
    title: 'Who knows the passwords?',
    lead: 'The password is checked first. The gateway keeps none itself.',
    Fields: PasswordFields,
  },
  factor: {
    title: 'What is the second factor?',
    lead: 'What is asked once the password was right.',
    Fields: FactorFields,
  },
  mode: {
    title: 'How is it asked?',
    lead: 'What the device can show decides. The one that fits yours is chosen.',
    Fields: ModeFields,
  },
};

/** One of the five. */
export function QuestionStep({
  question,
  answers,
  change,
  devices,
  back,
  next,
}: {
  question: Question;
  answers: Answers;
  change: (changed: Partial<Answers>) => void;
  devices: readonly DeviceTemplate[];
  back: () => void;
  next: () => void;
}) {
  const { title, lead, Fields } = ASKED[question];
  const [shown, setShown] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const faults = faultsOf(answers, question);
  const toFault = () => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  /** Who went back, or answered otherwise meanwhile, is led nowhere by what is said of it. */
  const now = useRef<Answers | null>(null);
  useEffect(() => {
    now.current = answers;
    return () => {
      now.current = null;
    };
  }, [answers]);
  // The gateway reads them as it will in the end, so that a fault is said where it can be put right.
  const look = useMutation({
    mutationFn: async (given: Answers) => {
      const upTo = answersUpTo(given, question);
      const written = writeConfig(
        upTo,
        devices.find(({ id }) => id === given.device),
      );
      const body = { text: written.text, files: written.files, name: 'authproxy.cfg' };
      const { diagnostics } = await ask(api.POST('/api/v1/config/validate', { body }));
      return foundAt(question, upTo, written, diagnostics);
    },
    onSuccess: ({ faults: found, rest }, given) => {
      if (now.current === given && rest.length === 0 && Object.keys(found).length === 0) next();
    },
    // The answers have secrets.
    gcTime: 0,
  });
  // Drawn by now, and the button is one again.
  useEffect(() => {
    if (look.data) form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }, [look.data]);
  // What is said of a field holds until it is changed.
  const found: typeof faults = {};
  for (const [name, text] of Object.entries(look.data?.faults ?? {})) {
    const field = name as keyof Answers;
    if (look.variables?.[field] === answers[field]) found[field] = text;
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (look.isPending) return;
    setShown(true);
    if (Object.keys(faults).length > 0) {
      // The faults are drawn first.
      requestAnimationFrame(toFault);
      return;
    }
    look.mutate(answers);
  };
  return (
    <Step title={title} lead={lead}>
      <form onSubmit={submit} noValidate ref={form}>
        <Fields
          answers={answers}
          change={change}
          faults={shown ? { ...found, ...faults } : {}}
          devices={devices}
        />
        {look.data && look.data.rest.length > 0 && look.variables === answers && (
          <Alert color="red" title="It cannot be served like this" role="alert" mt="md">
            {look.data.rest.map((text) => (
              <Text size="sm" key={text} className="wrap">
                {text}
              </Text>
            ))}
          </Alert>
        )}
        <ProblemAlert error={look.error} />
        <Onward>
          <Button variant="default" onClick={back}>
            Back
          </Button>
          <Button type="submit" loading={look.isPending}>
            Next
          </Button>
        </Onward>
      </form>
    </Step>
  );
}
