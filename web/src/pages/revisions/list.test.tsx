// @vitest-environment jsdom
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { act, screen, waitFor } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { gateway, later, show } from '@/test/render';
import { RevisionsPage } from '../revisions';

test('that the newest revision is served is said when the nodes have said so', async () => {
  const { promise, done } = later<{ body: unknown }>();
  vi.stubGlobal('scrollTo', () => {});
  const newest = { number: 2, author: 'admin nora', message: 'another port', created_at_ms: 1 };
  const asked = gateway({
    'GET /api/v1/revisions': () => ({ body: { items: [newest], total: 1, next: null } }),
    'GET /api/v1/about': () => ({ body: { revision: 2, configuration: { kind: 'database' } } }),
    'GET /api/v1/nodes': () => promise,
  });
  const history = createMemoryHistory({ initialEntries: ['/revisions'] });
  const routeTree = createRootRoute({ component: RevisionsPage });
  show(<RouterProvider router={createRouter({ routeTree, history }) as never} />);
  expect(await screen.findByText('another port')).toBeTruthy();
  await waitFor(() => expect(asked).toContain('GET /api/v1/about'));
  // What is known by then is drawn.
  await act(() => new Promise((resolve) => setTimeout(resolve)));
  expect(screen.queryByText('served')).toBeNull();
  const refused = { revision: 2, at_ms: 1, faults: [] };
  await act(async () => done({ body: { items: [{ node: 'local', applied: 1, refused }], total: 1 } }));
  expect(await screen.findByText('refused by local')).toBeTruthy();
  expect(screen.queryByText('served')).toBeNull();
});
