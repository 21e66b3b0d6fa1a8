import { expect, test } from 'vitest';
import type { Token } from './queries';
import { curlLine, isLike } from './words';

const token: Token = {
  id: '5f2c',
  name: 'Nightly backup',
  role: 'viewer',
  created_by: 'admin nora',
  created_at_ms: 0,
  expires_at_ms: 1,
  expired: false,
};

test.each([
  ['nightly', true],
  [' NORA ', true],
  ['5f2', true],
  ['viewer', true],
  ['', true],
  ['alice', false],
])('a token is looked for by %j: %j', (q, want) => {
  expect(isLike(token, q)).toBe(want);
});

test('the line to use a token has address and token, and quotes it', () => {
  expect(curlLine('https://gate.example.com:8400', 'cst_1_2')).toBe(
    "curl -H 'Authorization: Bearer cst_1_2' \\\n  https://gate.example.com:8400/api/v1/integrations",
  );
});
