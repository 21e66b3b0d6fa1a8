// @vitest-environment jsdom
import { TextInput } from '@mantine/core';
import { screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { expect, test, vi } from 'vitest';
import { later, show } from '@/test/render';
import { FormModal } from './form-modal';

function Form({ send, close = () => {} }: { send: (text: string) => Promise<boolean>; close?: () => void }) {
  const [text, setText] = useState('');
  return (
    <FormModal
      opened
      close={close}
      title="Rename it"
      submit="Save"
      ready={text !== ''}
      asked={text}
      send={() => send(text)}
    >
      <TextInput label="Name" value={text} onChange={(event) => setText(event.currentTarget.value)} />
    </FormModal>
  );
}

const name = () => screen.getByLabelText('Name');
const saves = () => screen.getByRole('button', { name: 'Save' });

test('what is not ready is not sent, by Enter neither', async () => {
  const send = vi.fn(async () => true);
  const { user } = show(<Form send={send} />);
  expect((saves() as HTMLButtonElement).disabled).toBe(true);
  await user.type(name(), '{Enter}');
  expect(send).not.toHaveBeenCalled();
});

test('while it is sent it is neither closed nor sent again, and closes when it is done', async () => {
  const answer = later<boolean>();
  const send = vi.fn(() => answer.promise);
  const close = vi.fn();
  const { user } = show(<Form send={send} close={close} />);
  await user.type(name(), 'token{Enter}');
  await user.type(name(), '{Enter}');
  await user.keyboard('{Escape}');
  expect((screen.getByRole('button', { name: 'Cancel' }) as HTMLButtonElement).disabled).toBe(true);
  expect(send).toHaveBeenCalledTimes(1);
  expect(close).not.toHaveBeenCalled();
  answer.done(true);
  await waitFor(() => expect(close).toHaveBeenCalledTimes(1));
});

test('what is refused is said until something else is asked, and what was typed stays', async () => {
  const close = vi.fn();
  const send = vi.fn(async (text: string) => {
    if (text === 'taken') throw new Error('that name is taken');
    return false;
  });
  const { user } = show(<Form send={send} close={close} />);
  await user.type(name(), 'taken{Enter}');
  await screen.findByText(/that name is taken/);
  expect((name() as HTMLInputElement).value).toBe('taken');
  await user.type(name(), '?');
  await waitFor(() => expect(screen.queryByText(/that name is taken/)).toBeNull());
  // A fault that the form says itself leaves it open.
  await user.type(name(), '{Enter}');
  expect(send).toHaveBeenCalledTimes(2);
  await waitFor(() => expect((saves() as HTMLButtonElement).disabled).toBe(false));
  expect(close).not.toHaveBeenCalled();
});
