// @vitest-environment jsdom
import { screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { show } from '@/test/render';
import { CopyIcon } from './copy';
import { ShownOnce } from './once';

test('it copies, and says so', async () => {
  const { user } = show(<CopyIcon value="cst_1" label="Copy the token" />);
  await user.click(screen.getByRole('button', { name: 'Copy the token' }));
  expect(await screen.findByRole('button', { name: 'Copied' })).toBeTruthy();
  expect(await navigator.clipboard.readText()).toBe('cst_1');
});

test('where a browser lets no page copy, it says that', async () => {
  const { user } = show(<CopyIcon value="cst_1" label="Copy the token" />);
  vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no', 'NotAllowedError'));
  await user.click(screen.getByRole('button', { name: 'Copy the token' }));
  expect(await screen.findByRole('button', { name: /^This browser does not allow copying/ })).toBeTruthy();
});

test('a secret that is shown once has the focus, and not the button that ends it', async () => {
  const done = vi.fn();
  const { user } = show(<ShownOnce label="Token" secret="cst_1" note="Store it." done={done} />);
  expect(document.activeElement).toBe(document.querySelector('[data-autofocus]'));
  expect(document.activeElement?.textContent).toContain('cst_1');
  // A key that was held too long presses nothing.
  await user.keyboard('{Enter}');
  expect(done).not.toHaveBeenCalled();
  await user.click(screen.getByRole('button', { name: 'I have it' }));
  expect(done).toHaveBeenCalledOnce();
});
