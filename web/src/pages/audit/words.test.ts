import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ACTIONS, actionInWords } from './words';

const root = resolve(import.meta.dirname, '../../../../controlplane/src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.rs') && !/tests?(\/|\.rs$)/.test(file))
  .map((file) => readFileSync(resolve(root, file), 'utf8').split('#[cfg(test)]')[0] ?? '')
  .join('\n');

/** What the gateway writes into its audit: texts like `token.create`, where a deed is made. */
function written(): string[] {
  const kinds = [...new Set(Object.keys(ACTIONS).map((action) => action.split('.')[0]))].join('|');
  const names = sources.matchAll(new RegExp(`"((?:${kinds})\\.[a-z_.-]+)"`, 'g'));
  const answers = ['approve', 'deny', 'fraud'].map((answer) => `second-factor.push.${answer}`);
  const drafts = [...sources.matchAll(/deed\(by, "(\w+)"/g)].map(([, what]) => `draft.${what}`);
  const files = /\.(?:pem|key|http_ca_certs)$/;
  return [...new Set([...[...names].map(([, name]) => name ?? ''), ...answers, ...drafts])].filter(
    (name) => !files.test(name),
  );
}

test('each deed that the gateway writes down has words', () => {
  const found = written();
  expect(found.length).toBeGreaterThan(30);
  expect(found.filter((action) => !Object.hasOwn(ACTIONS, action))).toEqual([]);
});

test('what was done to a draft is among them', () => {
  expect(sources).toContain('format!("draft.{what}")');
  expect(written()).toContain('draft.write');
});

test('what a user’s push was answered with is one of them', () => {
  expect(sources).toContain('format!("second-factor.push.{answer}")');
  expect(actionInWords('second-factor.push.approve')).toBe('Push approved in a user’s place');
});

test('a deed without words is shown as it is, also one that is called like a part of each object', () => {
  expect(actionInWords('toString')).toBe('toString');
});
