// @vitest-environment jsdom
import { screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { show } from '@/test/render';
import { PemInput } from './pem';

test('a file that was chosen before is shown, and can be left out', async () => {
  const onChange = vi.fn();
  const { user } = show(
    <PemInput
      label="Authority"
      description=""
      value={{ name: 'ca.pem', content: 'A' }}
      onChange={onChange}
    />,
  );
  expect(screen.getByText('ca.pem')).toBeTruthy();
  await user.click(screen.getByRole('button', { name: 'Leave out: Authority' }));
  expect(onChange).toHaveBeenCalledExactlyOnceWith(null);
});
