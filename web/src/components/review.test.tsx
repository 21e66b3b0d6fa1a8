// @vitest-environment jsdom
import { screen, waitFor } from '@testing-library/react';
import { useState } from 'react';
import { expect, test, vi } from 'vitest';
import { ApiError } from '@/api/client';
import { gateway, later, refusal, show } from '@/test/render';
import { type Change, ReviewProvider, useReview } from './review';

const DRAFT = {
  id: 7,
  message: 'another port',
  based_on: '"3"',
  differences: [{ path: 'integrations[vpn].port', before: 1812, after: 1822 }],
};
const DIALOG = { name: 'Review the change' };

const ANSWERS = {
  'POST /api/v1/drafts': () => ({ status: 201, body: DRAFT }),
  'GET /api/v1/drafts/7': () => ({ body: DRAFT }),
  'DELETE /api/v1/drafts/7': () => ({ status: 204 }),
  'POST /api/v1/drafts/7/apply': () => ({ body: { revision: { number: 4 } } }),
  'GET /api/v1/nodes': () => ({ body: { items: [], total: 0 } }),
};

function Form(change: Partial<Change>) {
  const review = useReview();
  const [fault, setFault] = useState('');
  return (
    <>
      <button
        type="button"
        onClick={() =>
          review({ message: 'another port', writes: async () => {}, ...change }).catch((error: Error) =>
            setFault(error.message),
          )
        }
      >
        Review
      </button>
      {fault}
    </>
  );
}

async function begun(change: Partial<Change> = {}, answers: Parameters<typeof gateway>[0] = {}) {
  const asked = gateway({ ...ANSWERS, ...answers });
  const { user } = show(
    <ReviewProvider>
      <Form {...change} />
    </ReviewProvider>,
  );
  await user.click(screen.getByRole('button', { name: 'Review' }));
  return { asked, user };
}

const isClosed = () => waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());

test('what would change is shown, applied as it was shown, and told', async () => {
  const applied = vi.fn();
  const headers: (string | null)[] = [];
  const { asked, user } = await begun(
    { applied },
    {
      'POST /api/v1/drafts/7/apply': (request) => {
        headers.push(request.headers.get('if-match'));
        return ANSWERS['POST /api/v1/drafts/7/apply']();
      },
    },
  );
  const dialog = await screen.findByRole('dialog', DIALOG);
  await waitFor(() => expect(dialog.textContent).toContain('1822'));
  await user.click(screen.getByRole('button', { name: 'Apply' }));
  const done = await screen.findByRole('button', { name: 'Done' });
  expect(dialog.textContent).toContain('Revision 4');
  expect(applied).toHaveBeenCalledExactlyOnceWith(4);
  expect(headers).toEqual(['"3"']);
  // What had the focus is gone.
  expect(document.activeElement).toBe(done);
  await user.keyboard('{Escape}');
  await isClosed();
  expect(asked).not.toContain('DELETE /api/v1/drafts/7');
});

test('a write that is refused drops the draft, and who began is told', async () => {
  const { status, body } = refusal(422, 'invalid', 'the port is taken');
  const writes = async () => {
    throw new ApiError(status, body, 'request-7');
  };
  const { asked } = await begun({ writes });
  expect(await screen.findByText('the port is taken')).toBeTruthy();
  expect(asked).toEqual(['POST /api/v1/drafts', 'DELETE /api/v1/drafts/7']);
  expect(screen.queryByRole('dialog')).toBeNull();
});

test('closed without a word, no draft is left behind', async () => {
  const kept = vi.fn();
  const { asked, user } = await begun({ kept });
  await screen.findByRole('button', { name: 'Apply' });
  await user.keyboard('{Escape}');
  await isClosed();
  await waitFor(() => expect(asked).toContain('DELETE /api/v1/drafts/7'));
  expect(kept).not.toHaveBeenCalled();
});

test('kept for later, it is left there', async () => {
  const kept = vi.fn();
  const { asked, user } = await begun({ kept });
  await user.click(await screen.findByRole('button', { name: 'Keep as draft' }));
  await isClosed();
  expect(kept).toHaveBeenCalledExactlyOnceWith(7);
  expect(asked).not.toContain('DELETE /api/v1/drafts/7');
});

test('it stays open while it is applied, so that the verdicts are seen', async () => {
  const answer = later<{ body: unknown }>();
  const { asked, user } = await begun({}, { 'POST /api/v1/drafts/7/apply': () => answer.promise });
  await user.click(await screen.findByRole('button', { name: 'Apply' }));
  await user.keyboard('{Escape}');
  expect(screen.getByRole('dialog', DIALOG)).toBeTruthy();
  answer.done({ body: { revision: { number: 4 } } });
  expect(await screen.findByRole('button', { name: 'Done' })).toBeTruthy();
  expect(asked).not.toContain('DELETE /api/v1/drafts/7');
});

test('what somebody else changed meanwhile is shown anew before it can be applied', async () => {
  const { asked, user } = await begun(
    {},
    { 'POST /api/v1/drafts/7/apply': () => refusal(412, 'changed', 'there is a newer revision') },
  );
  await user.click(await screen.findByRole('button', { name: 'Apply' }));
  expect((await screen.findByRole('alert')).textContent).toContain(
    'Somebody else has changed the configuration',
  );
  expect(asked.filter((what) => what === 'GET /api/v1/drafts/7')).toHaveLength(2);
  expect(screen.getByRole('button', { name: 'Apply' })).toHaveProperty('disabled', false);
});
