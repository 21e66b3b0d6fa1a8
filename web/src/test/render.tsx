/** A component as the page has it: theme, queries, dialogs, and a gateway that answers what a test says. */
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { ReactNode } from 'react';
import { afterEach, vi } from 'vitest';
import type { Problem } from '@/api/client';
import { sessionQuery } from '@/api/queries';
import { ConfirmProvider } from '@/components/confirm';
import { theme } from '@/theme';

// What jsdom has not, and Mantine asks.
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe() {}
    unobserve() {}
    disconnect() {}
  },
);

afterEach(cleanup);

/** Shows it to an administrator. */
export function show(children: ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  client.setQueryDefaults([...sessionQuery.queryKey], { staleTime: Number.POSITIVE_INFINITY });
  client.setQueryData([...sessionQuery.queryKey], { caller: 'admin nora', role: 'admin' });
  const user = userEvent.setup();
  render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={client}>
        <main id="main" tabIndex={-1}>
          <ConfirmProvider>{children}</ConfirmProvider>
        </main>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { client, user };
}

type Answer = { status?: number; body?: unknown } | Promise<{ status?: number; body?: unknown }>;

/** Stands in for the gateway: `GET /api/v1/nodes` and its like have an answer each. What was asked is noted. */
export function gateway(answers: Record<string, (request: Request) => Answer>): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname } = new URL(request.url);
    const what = `${request.method} ${pathname}`;
    asked.push(what);
    const answer = answers[what];
    if (!answer) throw new Error(`the test has no answer to ${what}`);
    const { status = 200, body } = await answer(request);
    return new Response(body === undefined ? null : JSON.stringify(body), {
      status,
      headers: { 'content-type': 'application/json', 'x-request-id': 'request-7' },
    });
  });
  return asked;
}

/** What the gateway says when it refuses. */
export function refusal(status: number, kind: 'changed' | 'forbidden' | 'invalid', detail: string) {
  const body: Problem = { type: `urn:countersign:problem:${kind}`, title: kind, status, detail };
  return { status, body };
}

/** Something that is done when the test says so. */
export function later<T>() {
  let done: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    done = resolve;
  });
  return { promise, done };
}
