/** Before the pages' specs: whether the program has the dashboard built in. */

import { program } from './environment.ts';
import { expect, test } from './fixtures.ts';

test.use({ gatewayOptions: { variant: 'fresh' } });

test('the program has the dashboard built in', async ({ gateway }) => {
  const answer = await fetch(`${gateway.adminUrl}/`, { headers: { accept: 'text/html' } });
  const page = await answer.text();
  expect(
    answer.headers.get('content-type')?.startsWith('text/html') && page.includes('/assets/'),
    `${program} has no dashboard. Run npm run build here, then cargo build -p cli.\nIt answers ${answer.status}: ${page.slice(0, 500)}`,
  ).toBe(true);
});
