// @vitest-environment jsdom
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { authenticatorGroups, KIND_NAMES } from './authenticator-fields';
import type { Field } from './fields';
import { helpOf, type Kind, pathsOf, pattern, uses } from './help';
import { INTEGRATION_GROUPS, MODE_NAMES } from './integration-fields';
import { SETTINGS_GROUPS } from './settings-fields';

type Schema = {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
};
const openapi = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../../../controlplane/openapi.json'), 'utf8'),
) as { components: { schemas: Record<string, Schema> } };

/** Every property that can be written, by its path, straight from the API's document. */
function properties(schema: Schema, path: string): string[] {
  const named = schema.$ref?.split('/').at(-1);
  if (named === 'SecretMask') return [];
  if (named) return properties(openapi.components.schemas[named] as Schema, path);
  const inner = [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
      const at = path === '' ? name : `${path}.${name}`;
      return [at, ...properties(one, at)];
    }),
    ...(schema.items ? properties(schema.items, `${path}[]`) : []),
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((one) => properties(one, path)),
  ];
  return [...new Set(inner)];
}

const FIELDS: Record<Kind, Field[]> = {
  integration: INTEGRATION_GROUPS.flatMap(({ fields }) => fields),
  authenticator: Object.keys(KIND_NAMES).flatMap((kind) =>
    authenticatorGroups(kind).flatMap(({ fields }) => fields),
  ),
  settings: SETTINGS_GROUPS.flatMap(({ fields }) => fields),
};
const DOCUMENTS: Record<Kind, string> = {
  integration: 'IntegrationWrite',
  authenticator: 'AuthenticatorWrite',
  settings: 'SettingsWrite',
};
const KINDS = Object.keys(DOCUMENTS) as Kind[];

/** Fields that are one with another: it shows all of them. */
const WITHIN: [RegExp, string][] = [
  [
    /client_ip_attribute\.(name|number|vendor|data_type)$/,
    'an attribute is chosen by its name, or by its number',
  ],
  [/pass_through\.attributes\[\]\.(name|number|vendor|data_type)$/, 'the same'],
  [/\.hosts\[\]\.(name|port)$/, 'a line of the list of servers'],
];

describe.each(KINDS)('the form of %s', (kind) => {
  const document = openapi.components.schemas[DOCUMENTS[kind]] as Schema;
  const written = properties(document, '');
  const own = new Set(FIELDS[kind].map(({ path }) => path));
  const isWithin = (path: string) => WITHIN.some(([one]) => one.test(path));

  it('has a field for everything that can be written', () => {
    expect(written.length).toBeGreaterThan(2);
    const missing = written.filter((path) => {
      const holds = [...own].some((field) => field.startsWith(`${path}.`) || field.startsWith(`${path}[`));
      return !own.has(path) && !holds && !isWithin(path);
    });
    expect(missing).toEqual([]);
  });

  it('has no field for what cannot be written', () => {
    expect([...own].filter((path) => !written.includes(path))).toEqual([]);
  });

  it('says of each field what it means', () => {
    const variants =
      kind === 'integration' ? Object.keys(MODE_NAMES) : kind === 'settings' ? ['main'] : ['ad', 'radius'];
    for (const { path } of FIELDS[kind]) {
      const texts = variants.map((variant) => helpOf(kind, variant, path).text);
      expect(
        texts.some((text) => text.length > 10),
        path,
      ).toBe(true);
    }
  });

  it('is of the API document that the descriptions were taken from', () => {
    const leaves = written.filter(
      (path) => !written.some((other) => other.startsWith(`${path}.`) || other.startsWith(`${path}[].`)),
    );
    expect(leaves.filter((path) => !pathsOf(kind).includes(pattern(path)))).toEqual([]);
  });
});

describe('what a mode uses', () => {
  it.each([
    ['auto', 'authenticator', true],
    ['duo_only', 'authenticator', false],
    ['challenge', 'prompt.format', true],
    ['auto', 'prompt.format', false],
    ['auto', 'prompt.passcode_retries', true],
    ['concat', 'factors', false],
    ['eap', 'eap.certificates', true],
    ['auto', 'eap.certificates', false],
    ['duo_only', 'application.port', true],
    ['concat', 'append.allow', false],
    ['concat', 'append.delimiter', true],
    ['duo_only', 'exempt_users', false],
    ['auto', 'exempt_users', true],
  ])('%s, %s: %s', (mode, path, used) => {
    expect(uses('integration', mode, path)).toBe(used);
  });

  it('has the help of the mode', () => {
    expect(helpOf('integration', 'challenge', 'factors').text).toContain('menu');
    expect(helpOf('integration', 'auto', 'factors').text).not.toContain('menu');
    expect(helpOf('integration', 'auto', 'fail_mode').option).toBe('failmode');
    expect(helpOf('integration', 'auto', 'application.port').option).toBeNull();
    expect(helpOf('integration', 'auto', 'clients[12].secret').option).toBe('radius_secret');
  });
});
