import { afterEach, expect, it, vi } from 'vitest';
import { bring, type Deed, isRefused, missingKeys, read } from './source';

const FILE = { kind: 'file', path: '/etc/countersign/authproxy.cfg' } as const;

/** Answers each call with a document, and keeps what was asked. */
function gateway(answer: object): Request[] {
  const asked: Request[] = [];
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(request.clone());
    return Response.json(answer, { headers: { etag: '"1"' } });
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

it.each([
  ['[main]\r\ndebug=true\r\n', '[main]\n; more\n', '[main]\r\n; more\r\n'],
  ['[main]\ndebug=true\n', '[main]\n; more\n', '[main]\n; more\n'],
])('a file of the lines %j is written with the ends that it has', async (text, typed, want) => {
  gateway({ text, files: [], left_out: [] });
  const sheet = await read(FILE, true);
  // Else the editor, which has LF alone, would say that something was typed.
  expect(sheet.text).toBe('[main]\ndebug=true\n');
  const asked = gateway({ differences: [], found: {}, reload: null });
  const deed: Deed = {
    source: FILE,
    how: 'replace',
    files: {},
    tag: sheet.tag,
    lineEnd: sheet.lineEnd,
    text: typed,
  };
  await bring(deed, false);
  expect(await asked[0]?.json()).toMatchObject({ text: want });
});

it.each([
  ['applied', false, 7],
  ['refused', true, null],
  ['unavailable', true, null],
] as const)('what was written and is %s', async (result, refused, revision) => {
  gateway({
    differences: [{ path: 'settings.debug', before: false, after: true }],
    found: {},
    reload: { result, revision: 7, diagnostics: [] },
  });
  const deed: Deed = { source: FILE, how: 'replace', text: '', lineEnd: '\n', files: {}, tag: null };
  const done = await bring(deed, false);
  expect(isRefused(done.reload)).toBe(refused);
  // What is served on is not what was just written: nobody is told that it is.
  expect(done.revision).toBe(revision);
});

it('names the keys that the text came without', () => {
  expect(missingKeys({ 'b.pkey.pem': '[secret]\n', 'a.pem': 'PEM', 'a.pkey.pem': '[secret]' })).toEqual([
    'a.pkey.pem',
    'b.pkey.pem',
  ]);
});
