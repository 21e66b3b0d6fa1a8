// @vitest-environment jsdom
import { notifications, notificationsStore } from '@mantine/notifications';
import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from './api/client';
import { sessionQuery } from './api/queries';
import { holdUnsaved } from './lib/unsaved';
import { type Place, sessionElsewhere, watchSession } from './signed-out';

const over = new ApiError(
  401,
  { type: 'urn:countersign:problem:unauthenticated', title: 'Who are you?', status: 401, detail: 'sign in' },
  'r1',
);
const me = { caller: 'admin nora', role: 'admin' };
const shown = () => notificationsStore.getState().notifications.map(({ title }) => title);

let client: QueryClient;
let release = () => {};

function at(pathname: string, search: { to?: string } = {}) {
  const navigate = vi.fn<Place['navigate']>().mockResolvedValue();
  return { state: { location: { pathname, href: `${pathname}?q=1`, search } }, navigate };
}

/** What any page asks is refused, or answered. */
async function asked(answer: unknown, queryKey: readonly unknown[] = ['nodes']): Promise<void> {
  const queryFn = () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer));
  await client.fetchQuery({ queryKey, queryFn, retry: false }).catch(() => undefined);
}

beforeEach(() => {
  client = new QueryClient();
  client.setQueryData([...sessionQuery.queryKey], me);
});
afterEach(() => {
  release();
  release = () => {};
  notifications.clean();
});

test('who is signed out is led to the sign-in, and back from there', async () => {
  const router = at('/nodes');
  watchSession(client, router);
  await asked(over);
  expect(router.navigate).toHaveBeenCalledExactlyOnceWith({ to: '/sign-in', search: { to: '/nodes?q=1' } });
  expect(client.getQueryData(sessionQuery.queryKey)).toBeUndefined();
});

test.each(['/sign-in', '/setup', '/invitation'])('%s is not led away from', async (path) => {
  const router = at(path);
  watchSession(client, router);
  await asked(over);
  expect(router.navigate).not.toHaveBeenCalled();
});

test('what is not saved stays, with its rights, and the reader is told once', async () => {
  const router = at('/settings');
  watchSession(client, router);
  release = holdUnsaved();
  await asked(over);
  await asked(over, ['about']);
  expect(router.navigate).not.toHaveBeenCalled();
  expect(client.getQueryData(sessionQuery.queryKey)).toEqual(me);
  expect(shown()).toEqual(['You are signed out']);
  // Signed in again in another tab.
  await asked(me, sessionQuery.queryKey);
  expect(shown()).toEqual([]);
});

test.each<[string, string, { to?: string }, boolean, string[]]>([
  ['a page is loaded anew', '/nodes', {}, false, ['reload']],
  ['what is not saved stays', '/nodes', {}, true, []],
  [
    'who waits at the sign-in goes on',
    '/sign-in',
    { to: '/logins?user=alice' },
    false,
    ['/logins?user=alice'],
  ],
  ['and to no other machine', '/sign-in', { to: '//example.com' }, false, ['/']],
  ['a token that is in no address is not lost', '/invitation', {}, false, []],
  ['nor that of a set-up', '/setup', {}, false, []],
])('another tab signs in or out: %s', (_, path, search, unsaved, want) => {
  if (unsaved) release = holdUnsaved();
  const done: string[] = [];
  const invalidate = vi.spyOn(client, 'invalidateQueries');
  sessionElsewhere(client, at(path, search), {
    reload: () => done.push('reload'),
    assign: (to) => done.push(to),
  });
  expect(done).toEqual(want);
  expect(invalidate).toHaveBeenCalledTimes(unsaved ? 1 : 0);
});
