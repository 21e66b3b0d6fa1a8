import { expect, it } from 'vitest';
import { localPath } from './local-path';

it.each([
  ['/', '/'],
  ['/logins?user=alice#first', '/logins?user=alice#first'],
  ['/setup-notes', '/setup-notes'],
  [undefined, undefined],
  ['', undefined],
  ['logins', undefined],
  ['https://example.com/', undefined],
  ['javascript:alert(1)', undefined],
  ['//example.com', undefined],
  ['/\\example.com', undefined],
  ['/\t/example.com', undefined],
  ['/\n/example.com', undefined],
  ['/sign-in?to=/', undefined],
  ['/api/v1/session/oidc', undefined],
])('%j leads to %j', (to, want) => {
  expect(localPath(to)).toBe(want);
});
