// @vitest-environment jsdom
import { screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { expect, test, vi } from 'vitest';
import { later, show } from '@/test/render';
import { type Question, useConfirm } from './confirm';

const QUESTION = { title: 'Remove edge-2?', body: 'It is gone then.', confirm: 'Remove edge-2' };

/** A thing with a button that asks; it is gone once that was done. */
function Thing({ question, others = [] }: { question: Partial<Question>; others?: Question[] }) {
  const confirm = useConfirm();
  const [gone, setGone] = useState(false);
  const action = async () => {
    await question.action?.();
    if (!question.action) setGone(true);
  };
  return (
    <>
      {!gone && (
        <button
          type="button"
          onClick={() => {
            confirm({ ...QUESTION, ...question, action });
            for (const other of others) confirm(other);
          }}
        >
          Remove
        </button>
      )}
    </>
  );
}

const asks = () => screen.getByRole('button', { name: 'Remove' });
const does = () => screen.getByRole('button', { name: 'Remove edge-2' });

test('nothing is done before it is confirmed, and the focus goes back to what asked', async () => {
  const action = vi.fn(async () => {});
  const { user } = show(<Thing question={{ action }} />);
  await user.click(asks());
  await user.click(await screen.findByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(action).not.toHaveBeenCalled();
  await waitFor(() => expect(document.activeElement).toBe(asks()));
});

test('when what asked is gone with the thing, the page has the focus', async () => {
  const { user } = show(<Thing question={{}} />);
  await user.click(asks());
  await user.click(does());
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  await waitFor(() => expect(document.activeElement?.id).toBe('main'));
});

test('what cannot be undone is typed first', async () => {
  const action = vi.fn(async () => {});
  const { user } = show(<Thing question={{ typed: 'edge-2', action }} />);
  await user.click(asks());
  await user.type(screen.getByLabelText('Type edge-2 to go on'), 'edge-{Enter}');
  expect(does()).toHaveProperty('disabled', true);
  expect(action).not.toHaveBeenCalled();
  await user.type(screen.getByLabelText('Type edge-2 to go on'), '2{Enter}');
  await waitFor(() => expect(action).toHaveBeenCalledOnce());
});

test('a fault is told in the question, which can be answered again', async () => {
  const action = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('it is away'));
  const { user } = show(<Thing question={{ action }} />);
  await user.click(asks());
  await user.click(does());
  expect((await screen.findByRole('alert')).textContent).toContain('it is away');
  await user.click(does());
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

test('while it is done it can neither be closed nor done again', async () => {
  const doing = later<void>();
  const action = vi.fn(() => doing.promise);
  const { user } = show(<Thing question={{ action }} />);
  await user.click(asks());
  await user.click(does());
  await user.keyboard('{Escape}');
  expect(screen.getByRole('dialog')).toBeTruthy();
  doing.done();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(action).toHaveBeenCalledOnce();
});

test('a question that is open is not changed under the hand of who answers it', async () => {
  const other = { title: 'Replace the file?', body: '', confirm: 'Replace', action: async () => {} };
  const { user } = show(<Thing question={{}} others={[other]} />);
  await user.click(asks());
  expect(screen.getByRole('dialog', { name: 'Remove edge-2?' })).toBeTruthy();
});
