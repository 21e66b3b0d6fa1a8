import { describe, expect, test } from 'vitest';
import { compare } from './compare';
import { complete } from './complete';
import { became, counted, errorsNow, type Finding, placeOf, sorted } from './diagnostics';
import { helpAt } from './help';
import { readLine, sectionAt, sectionsOf, withoutSeals } from './ini';
import { nextName, nextSection, optionSpec, sectionSpec } from './schema';

const TEXT = `; a note
[duo_only_client]

[radius_server_auto]
client=duo_only_client
radius_ip_1=192.0.2.1
radius_secret_1=one
factors=push,
fail`.split('\n');

const labels = (line: number, column: number, lines = TEXT) =>
  complete(lines, line, column)?.proposals.map(({ label }) => label) ?? [];

describe('lines', () => {
  test.each([
    ['', { kind: 'blank' }],
    ['  # x=1', { kind: 'comment' }],
    [' [main] ', { kind: 'section', name: 'main' }],
    ['[main', { kind: 'fault' }],
    ['po rt=1', { kind: 'fault' }],
    ['=1', { kind: 'fault' }],
    [' a = b=;c ', { kind: 'option', key: 'a', keyStart: 1, equals: 3, valueStart: 5, value: 'b=;c' }],
    ['a=', { kind: 'option', key: 'a', keyStart: 0, equals: 1, valueStart: 2, value: '' }],
  ])('%j is read', (text, want) => expect(readLine(text)).toEqual(want));

  test('a line is in the section above it', () => {
    const sections = sectionsOf(TEXT);
    const at = (line: number) => sectionAt(sections, line)?.name;
    expect([1, 2, 3, 4, 8].map(at)).toEqual([
      undefined,
      'duo_only_client',
      'duo_only_client',
      'radius_server_auto',
      'radius_server_auto',
    ]);
  });

  test('what is sealed is not compared', () => {
    expect(withoutSeals('a=sealed:aB+/9\nb=c')).toBe('a=(sealed)\nb=c');
  });
});

describe('names', () => {
  const auto = sectionSpec('radius_server_auto');
  if (!auto) throw new Error('no such section');
  const named = (key: string) => optionSpec(auto, key)?.name;

  test('sections and options are known by number and case', () => {
    expect(sectionSpec('radius_server_auto12')?.section).toBe('radius_server_auto');
    expect(sectionSpec('main2')).toBeUndefined();
    expect(sectionSpec('radius_server_autox')).toBeUndefined();
    expect(named('Radius_Secret_12')).toBe('radius_secret');
    expect(named('radius_secret_protected_2')).toBe('radius_secret');
    expect(named('radius_secret_2_protected')).toBe('radius_secret');
    expect(named('radius_secret_0')).toBeUndefined();
    expect(named('port_2')).toBeUndefined();
    expect(named('port_protected')).toBeUndefined();
  });

  test('the next one gets the next free number', () => {
    const option = (key: string) => {
      const found = optionSpec(auto, key) ?? optionSpec(sectionSpec('ad_client') ?? auto, key);
      if (!found) throw new Error(`no ${key}`);
      return found;
    };
    expect(nextName(option('radius_ip'), [])).toBe('radius_ip_1');
    expect(nextName(option('radius_ip'), ['radius_ip'])).toBe('radius_ip_2');
    expect(nextName(option('radius_ip'), ['radius_ip_1', 'radius_ip_3'])).toBe('radius_ip_2');
    expect(nextName(option('radius_secret'), ['radius_secret_protected_1'])).toBe('radius_secret_2');
    expect(nextName(option('host'), [])).toBe('host');
    expect(nextName(option('host'), ['host', 'host_2'])).toBe('host_3');
    expect(nextName(option('port'), ['port'])).toBeUndefined();
    expect(nextSection('ad_client', ['ad_client', 'ad_client2'])).toBe('ad_client3');
    expect(nextSection('main', ['main'])).toBeUndefined();
  });
});

describe('completion', () => {
  test('an option of the section, with the next number, and none that is there', () => {
    const found = labels(9, 4);
    expect(found).toContain('failmode');
    expect(found).toContain('radius_ip_2');
    expect(found).not.toContain('client');
    expect(found).toContain('[radius_server_auto2]');
    const failmode = complete(TEXT, 9, 4);
    expect(failmode).toMatchObject({ from: 0, to: 4 });
    expect(failmode?.proposals.find(({ label }) => label === 'failmode')).toMatchObject({
      insert: 'failmode=',
      more: true,
    });
  });

  test('what must be given comes first', () => {
    const host = complete(TEXT, 9, 0)?.proposals.find(({ label }) => label === 'api_host');
    expect(host).toMatchObject({ detail: 'must be given', boost: 2 });
  });

  test('words of a closed set, and sections that check passwords', () => {
    expect(labels(9, 9, [...TEXT.slice(0, 8), 'failmode='])).toEqual(['safe', 'secure']);
    expect(labels(5, 7)).toEqual(['duo_only_client']);
    expect(labels(6, 14)).toEqual([]);
  });

  test('a list has each word once, and the word at the cursor is replaced', () => {
    expect(labels(8, 13)).toEqual(['auto', 'phone', 'passcode']);
    const lines = ['[radius_server_auto]', 'factors=push, ph, auto'];
    expect(complete(lines, 2, 15)).toMatchObject({ from: 14, to: 16 });
  });

  test('headers are completed as a whole, and nothing in a comment', () => {
    expect(labels(1, 1, ['[ra'])).toContain('[radius_client]');
    expect(complete(['[ra'], 1, 3)).toMatchObject({ from: 0, to: 3 });
    expect(complete(['; ra'], 1, 4)).toBeNull();
    expect(labels(1, 0, [''])).not.toContain('host');
  });
});

test('a line says what it means', () => {
  expect(helpAt(TEXT, 4)).toMatchObject({ title: '[radius_server_auto]' });
  expect(helpAt(TEXT, 7)?.help).toContain('Value: a secret');
  expect(helpAt(TEXT, 1)).toBeNull();
  expect(helpAt(['[radius_server_auto]', 'prt=1'], 2)).toBeNull();
});

describe('findings', () => {
  const finding = (more: Partial<Finding>): Finding => ({
    file: 'a.cfg',
    severity: 'error',
    message: 'wrong',
    ...more,
  });

  test('an error is at the value, a warning at the whole line, others nowhere', () => {
    expect(placeOf(finding({ line: 5 }), TEXT, 'a.cfg')).toEqual({ line: 5, from: 7, to: 22 });
    expect(placeOf(finding({ line: 5, severity: 'warning' }), TEXT, 'a.cfg')).toEqual({
      line: 5,
      from: 0,
      to: 22,
    });
    expect(placeOf(finding({ line: 5, file: 'ca.pem' }), TEXT, 'a.cfg')).toBeNull();
    expect(placeOf(finding({ line: 99 }), TEXT, 'a.cfg')).toBeNull();
    expect(placeOf(finding({}), TEXT, 'a.cfg')).toBeNull();
  });

  test('they are counted in words and sorted by weight', () => {
    const list = [finding({ line: 9, severity: 'warning' }), finding({ line: 8 }), finding({ line: 2 })];
    expect(counted(list)).toBe('2 errors and 1 warning');
    expect(counted([])).toBe('No faults');
    expect(sorted(list).map(({ line }) => line)).toEqual([2, 8, 9]);
  });

  test('of a text that is checked, or could not be, no errors are known', () => {
    const found = { diagnostics: [finding({ line: 9, severity: 'warning' }), finding({ line: 8 })] } as never;
    expect(errorsNow({ found, error: null, pending: false }).map(({ line }) => line)).toEqual([8]);
    expect(errorsNow({ found, error: null, pending: true })).toEqual([]);
    expect(errorsNow({ found, error: new Error('away'), pending: false })).toEqual([]);
    expect(errorsNow({ found: null, error: null, pending: false })).toEqual([]);
  });

  test('what a line became is said without secrets', () => {
    const row = {
      line: 1,
      result: 'set' as const,
      became: [
        { path: 'a.port', value: 1812 },
        { path: 'a.secret', value: { set: true, fingerprint: 'abc' } },
      ],
      is_default: true,
      notes: ['a note'],
    };
    expect(became(row)).toBe('a.port = 1812; a.secret = a secret; the default; a note');
  });
});

test('two texts are compared line by line', () => {
  const found = compare('a\nb\nc\nd', 'a\nc\nx\nd');
  expect(found.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
    'same a',
    'removed b',
    'same c',
    'added x',
    'same d',
  ]);
  expect(compare('a', 'a').every(({ kind }) => kind === 'same')).toBe(true);
});
