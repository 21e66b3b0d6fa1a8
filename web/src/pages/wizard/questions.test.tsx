// @vitest-environment jsdom
import { act, screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { expect, test, vi } from 'vitest';
import { gateway, later, show } from '@/test/render';
import { type Answers, NO_ANSWERS } from './answers';
import { QuestionStep } from './questions';

type Body = { body: { diagnostics: unknown[] } };
const GOOD: Body = { body: { diagnostics: [] } };
const ANSWERS: Answers = { ...NO_ANSWERS, address: '10.0.0.1', secret: 'long-enough' };

function Steps({ next }: { next: () => void }) {
  const [answers, setAnswers] = useState(ANSWERS);
  const [isHere, setIsHere] = useState(true);
  if (!isHere) return <p>The question before</p>;
  return (
    <QuestionStep
      question="address"
      answers={answers}
      change={(changed) => setAnswers((before) => ({ ...before, ...changed }))}
      devices={[]}
      back={() => setIsHere(false)}
      next={next}
    />
  );
}

/** The question, with its answers sent and nothing said of them yet. */
async function sent() {
  vi.stubGlobal('scrollTo', () => {});
  const next = vi.fn();
  const { promise, done } = later<Body>();
  const asked = gateway({ 'POST /api/v1/config/validate': () => promise });
  const { user } = show(<Steps next={next} />);
  await user.click(screen.getByRole('button', { name: 'Next' }));
  await waitFor(() => expect(asked).toHaveLength(1));
  const say = async (what: Body) => {
    await act(async () => done(what));
    // What is answered comes in some steps.
    await act(() => new Promise((resolve) => setTimeout(resolve)));
  };
  return { user, next, say };
}

test('good answers lead on', async () => {
  const { next, say } = await sent();
  await say(GOOD);
  await waitFor(() => expect(next).toHaveBeenCalledOnce());
});

test('who went back meanwhile stays there', async () => {
  const { user, next, say } = await sent();
  await user.click(screen.getByRole('button', { name: 'Back' }));
  await say(GOOD);
  expect(screen.getByText('The question before')).toBeTruthy();
  expect(next).not.toHaveBeenCalled();
});

test('who answers otherwise meanwhile is asked again', async () => {
  const { user, next, say } = await sent();
  await user.type(screen.getByLabelText(/Address of the device/), '2');
  await say(GOOD);
  await waitFor(() =>
    expect(screen.getByRole('button', { name: 'Next' }).hasAttribute('data-loading')).toBe(false),
  );
  expect(next).not.toHaveBeenCalled();
});

test('a fault has the focus at its field', async () => {
  const { next, say } = await sent();
  const line = { file: 'authproxy.cfg', severity: 'error', option: 'radius_ip_1', message: 'no address' };
  // [duo_only_client], a blank line, [radius_server_auto], api_host, client, failmode, then the address.
  await say({ body: { diagnostics: [{ ...line, line: 7 }] } });
  const field = await screen.findByLabelText(/Address of the device/);
  await waitFor(() => expect(document.activeElement).toBe(field));
  expect(screen.getByText('No address.')).toBeTruthy();
  expect(next).not.toHaveBeenCalled();
});
