/** The spans that the overview can look back, and the link that shows what it counted. Pure. */

export const WINDOWS = [
  { minutes: 15, label: '15 min', words: '15 minutes' },
  { minutes: 60, label: '1 h', words: 'hour' },
  { minutes: 360, label: '6 h', words: '6 hours' },
  { minutes: 1440, label: '24 h', words: '24 hours' },
] as const;

export type Window = (typeof WINDOWS)[number];

/** Of the address; an hour where it says nothing that is known. */
export function windowOf(text: string | undefined): Window {
  return WINDOWS.find(({ minutes }) => String(minutes) === text) ?? WINDOWS[1];
}

/** A moment as the addresses of this dashboard have it. */
export function moment(ms: number): string {
  return new Date(ms).toISOString();
}
