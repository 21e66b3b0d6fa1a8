// @vitest-environment jsdom
import { screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { ApiError, api, ask } from '@/api/client';
import { gateway, refusal, show } from '@/test/render';
import { ProblemAlert } from './problem';

const failure = (call: Promise<unknown>) => call.catch((error: unknown) => error);

test('it says what happened, field by field, when to try again, and the id of the request', async () => {
  const errors = [{ path: 'port', message: 'is taken' }];
  const problem = {
    type: 'urn:countersign:problem:invalid' as const,
    title: 'Invalid',
    status: 422,
    detail: 'two fields',
    errors,
  };
  const retry = vi.fn();
  const { user } = show(<ProblemAlert error={new ApiError(422, problem, 'request-7', 30)} retry={retry} />);
  const said = screen.getByRole('alert').textContent;
  for (const part of ['Invalid', 'two fields', 'port is taken', 'Try again in 30 s.', 'request-7'])
    expect(said).toContain(part);
  await user.click(screen.getByRole('button', { name: 'Try again' }));
  expect(retry).toHaveBeenCalledOnce();
});

test('without an error there is nothing', () => {
  show(<ProblemAlert error={null} />);
  expect(screen.queryByRole('alert')).toBeNull();
});

test.each<[string, () => { status: number; body?: unknown }, string]>([
  ['a refusal of the gateway', () => refusal(403, 'forbidden', 'this wants admin'), 'this wants admin'],
  ['a proxy in between', () => ({ status: 418 }), 'It may have come from a proxy in between'],
  ['a gateway that restarts', () => ({ status: 503 }), 'It may be restarting'],
])('%s', async (_, answer, want) => {
  gateway({ 'GET /api/v1/nodes': answer });
  show(<ProblemAlert error={await failure(ask(api.GET('/api/v1/nodes')))} />);
  expect(screen.getByRole('alert').textContent).toContain(want);
  expect(screen.getByRole('alert').textContent).toContain('request-7');
});

test('no answer at all is told too', async () => {
  gateway({});
  show(<ProblemAlert error={await failure(ask(api.GET('/api/v1/nodes')))} />);
  expect(screen.getByRole('alert').textContent).toContain('The gateway cannot be reached');
});
