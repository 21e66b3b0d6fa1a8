/** What a change comes to, in a few words: the details are read by whoever wants them. */
import type { Schemas } from '@/api/client';
import { inWords as thingsOf } from '@/components/diff-words';
import { capitalised } from '@/lib/format';

type Difference = Schemas['Difference'];

const inSentence = (title: string) => title.charAt(0).toLowerCase() + title.slice(1);

/** `Added: integration vpn, authenticator ad_client.`, one sentence for each kind of change. */
export function inWords(differences: readonly Difference[]): string[] {
  const things = thingsOf(differences);
  return (['added', 'changed', 'removed'] as const).flatMap((kind) => {
    const titles = things.filter(({ change }) => change === kind).map(({ title }) => inSentence(title));
    return titles.length > 0 ? [`${capitalised(kind)}: ${titles.join(', ')}.`] : [];
  });
}

/** Whether nothing that is there is touched. */
export function onlyAdds(differences: readonly Difference[]): boolean {
  return thingsOf(differences).every(({ change }) => change === 'added');
}
