import { Button } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { DeviceTemplate } from '@/devices/template';
import { type Answers, faultsOf, type Question } from './answers';
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
  const faults = faultsOf(answers, question);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (Object.keys(faults).length === 0) return next();
    setShown(true);
    const form = event.currentTarget;
    // The faults are drawn first.
    requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
  };
  return (
    <Step title={title} lead={lead}>
      <form onSubmit={submit} noValidate>
        <Fields answers={answers} change={change} faults={shown ? faults : {}} devices={devices} />
        <Onward>
          <Button variant="default" onClick={back}>
            Back
          </Button>
          <Button type="submit">Next</Button>
        </Onward>
      </form>
    </Step>
  );
}
