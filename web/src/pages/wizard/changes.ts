/** What a change comes to, in a few words: the details are read by whoever wants them. */
import type { Schemas } from '@/api/client';
import { type Kind, kindOf, thingOf } from '@/components/diff';
import { capitalised } from '@/lib/format';

type Difference = Schemas['Difference'];

/** `integrations[vpn]` -> `integration vpn`; the rest by its name. */
function named(thing: string): string {
  const [, list = thing, id] = /^([a-z_]+)\[(.*)\]$/.exec(thing) ?? [];
  const word = list.replaceAll('_', ' ');
  return id === undefined ? word : `${word.replace(/s$/, '')} ${id}`;
}

/** `Added: integration vpn, authenticator ad_client.`, one sentence for each kind of change. */
export function inWords(differences: readonly Difference[]): string[] {
  const kinds = new Map<string, Kind>();
  for (const difference of differences) {
    const thing = thingOf(difference.path);
    kinds.set(thing, difference.path === thing ? kindOf(difference) : 'changed');
  }
  return (['added', 'changed', 'removed'] as const).flatMap((kind) => {
    const things = [...kinds].filter(([, its]) => its === kind).map(([thing]) => named(thing));
    return things.length > 0 ? [`${capitalised(kind)}: ${things.join(', ')}.`] : [];
  });
}

/** Whether nothing that is there is touched. */
export function onlyAdds(differences: readonly Difference[]): boolean {
  return differences.every(
    (difference) => difference.path === thingOf(difference.path) && kindOf(difference) === 'added',
  );
}
