// @vitest-environment jsdom
import { createMemoryHistory } from '@tanstack/react-router';
import { afterEach, expect, it } from 'vitest';
import { makeQueryClient, sessionQuery } from './api/queries';
import { keepWanted, wanted } from './lib/sign-in-memory';
import { makeRouter } from './router';

/** Where somebody who is signed in comes to, who asks for a page. */
async function opened(page: string): Promise<string> {
  const client = makeQueryClient();
  client.setQueryDefaults([...sessionQuery.queryKey], { staleTime: Number.POSITIVE_INFINITY });
  client.setQueryData([...sessionQuery.queryKey], { caller: 'admin nora', role: 'admin' });
  const router = makeRouter(client);
  router.update({ ...router.options, history: createMemoryHistory({ initialEntries: [page] }) });
  await router.load();
  return router.state.location.href;
}

afterEach(() => sessionStorage.clear());

it.each(['/drafts?x=1', '/no-such-page'])('the provider leads back to %s, and once', async (page) => {
  keepWanted(page);
  expect(await opened('/')).toBe(page);
  expect(wanted()).toBeUndefined();
  expect(await opened('/')).toBe('/');
});

it('whoever goes elsewhere meanwhile is led nowhere', async () => {
  keepWanted('/drafts');
  expect(await opened('/nodes')).toBe('/nodes');
  expect(wanted()).toBeUndefined();
});

it('the sign-in keeps it for whoever the provider did not let in', async () => {
  keepWanted('/drafts');
  expect(await opened('/sign-in?provider=unavailable')).toContain('/sign-in');
  expect(wanted()).toBe('/drafts');
});
