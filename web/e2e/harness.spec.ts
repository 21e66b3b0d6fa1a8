/** The harness itself, without a page of the dashboard: it needs no build of that. */

import { expect, test } from './harness/fixtures.ts';
import { login } from './harness/radius.ts';

test.describe('logins', () => {
  test('one that is approved is accepted, and its event is there', async ({ api, sample }) => {
    const answer = await login({ port: sample.ports.auto, secret: sample.secret, user: 'alice' });
    expect(answer.code).toBe('Access-Accept');
    expect(answer.replyMessage).toBe('Success. Logging you in...');
    const event = await api.waitForEvent({ user: 'alice', integration: 'radius_server_auto' });
    expect(event).toMatchObject({ outcome: 'accept', reason: 'approved', factor: 'auto' });
  });

  test('one that is denied is rejected', async ({ api, sample }) => {
    const answer = await login({ port: sample.ports.auto, secret: sample.secret, user: 'carol' });
    expect(answer).toMatchObject({ code: 'Access-Reject', replyMessage: 'Login request denied.' });
    const event = await api.waitForEvent({ user: 'carol' });
    expect(event).toMatchObject({ outcome: 'reject', reason: 'denied' });
  });
});
