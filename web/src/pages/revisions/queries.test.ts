import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { expect, it } from 'vitest';
import { diffQuery, revisionNumber } from './queries';

it('what changed against one revision is never shown for another', () => {
  const client = new QueryClient({ defaultOptions: { queries: { enabled: false } } });
  client.setQueryData(diffQuery(3, 2).queryKey, []);
  const observer = new QueryObserver(client, diffQuery(3, 2));
  const stop = observer.subscribe(() => {});
  expect(observer.getCurrentResult().data).toEqual([]);
  observer.setOptions(diffQuery(3, 1));
  expect(observer.getCurrentResult().data).toBeUndefined();
  stop();
});

it.each([
  ['12', 12],
  ['none', null],
  ['-1', null],
  ['1.5', null],
  [undefined, null],
])('%s in an address is %s', (text, want) => expect(revisionNumber(text)).toBe(want));
