/** Incidents in words. Pure. */
import type { Schemas } from '@/api/client';

export type Incident = Schemas['Incident'];
export type IncidentKind = Schemas['IncidentKind'];

export const INCIDENTS: Record<IncidentKind, { word: string; colour: string; about: string }> = {
  fraud: {
    word: 'fraud',
    colour: 'red',
    about: 'A person reported a login that was not theirs: whoever began it has the password.',
  },
  push_fatigue: {
    word: 'too many pushes',
    colour: 'orange',
    about: 'Too many pushes in a row were not approved: somebody may be asking until the person gives in.',
  },
  wrong_number: {
    word: 'wrong number',
    colour: 'orange',
    about: 'A push was answered with a number that the login did not show.',
  },
  locked_out: {
    word: 'locked out',
    colour: 'red',
    about: 'Too many wrong passcodes: somebody may be guessing.',
  },
  replay: {
    word: 'passcode again',
    colour: 'orange',
    about: 'A passcode came a second time: somebody may have seen it.',
  },
  self_service: {
    word: 'self-service',
    colour: 'blue',
    about: 'A person added or removed a device by themselves.',
  },
  cloned_passkey: {
    word: 'passkey copied?',
    colour: 'red',
    about: 'A passkey’s counter went back: there may be a copy of it.',
  },
};

export const INCIDENT_WORDS: Record<string, string> = Object.fromEntries(
  Object.entries(INCIDENTS).map(([kind, { word }]) => [kind, word]),
);

export function isIncidentKind(text: string | undefined): text is IncidentKind {
  return text !== undefined && Object.hasOwn(INCIDENTS, text);
}

/** Where a login came from, in one line. */
export function whence({ application, ip }: { application: string; ip: string }): string {
  if (application && ip) return `${application}, from ${ip}`;
  return application || (ip ? `from ${ip}` : '');
}
