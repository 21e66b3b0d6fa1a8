import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ACTIONS, actionInWords } from './words';

const root = resolve(import.meta.dirname, '../../../../controlplane/src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.rs') && !/tests?(\/|\.rs$)/.test(file),
);
const textOf = (some: string[]) =>
  some.map((file) => readFileSync(resolve(root, file), 'utf8').split('#[cfg(test)]')[0] ?? '').join('\n');
/** Deeds of the second factor are written without what they all begin with. */
const ofFactor = (file: string) => file.startsWith('api/second_factor/');
const sources = textOf(files.filter((file) => !ofFactor(file)));
const factor = textOf(files.filter(ofFactor));

/** What the gateway writes into its audit: texts like `token.create`, where a deed is made. */
function written(): string[] {
  const kinds = [...new Set(Object.keys(ACTIONS).map((action) => action.split('.')[0]))].join('|');
  const whole = new RegExp(`"((?:${kinds})\\.[a-z_.-]+)"`, 'g');
  const names = [...sources.matchAll(whole), ...factor.matchAll(/"(second-factor\.[a-z_.-]+)"/g)];
  const parts = [
    ...factor.matchAll(
      /"((?:user|device|token|application|policy|enrollment|remembered|delivery)\.[a-z-]+)"/g,
    ),
    ...factor.matchAll(/, "(bypass-codes)"\)/g),
  ].map(([, part]) => `second-factor.${part}`);
  const answers = ['approve', 'deny', 'fraud'].map((answer) => `second-factor.push.${answer}`);
  const drafts = [...sources.matchAll(/deed\(by, "(\w+)"/g)].map(([, what]) => `draft.${what}`);
  const paths = /\.(?:pem|key|http_ca_certs)$/;
  return [...new Set([...names.map(([, name]) => name ?? ''), ...parts, ...answers, ...drafts])].filter(
    (name) => !paths.test(name),
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
  expect(factor).toContain('format!("push.{answer}")');
  expect(factor).toContain('format!("second-factor.{}", deed.action)');
  expect(written()).toContain('second-factor.user.lock');
  expect(actionInWords('second-factor.push.approve')).toBe('Push approved in a user’s place');
});

test('a deed without words is shown as it is, also one that is called like a part of each object', () => {
  expect(actionInWords('toString')).toBe('toString');
});
