/** What a browser loads before the first page is there, in the form it is sent to most: gzip. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

const LIMIT = 350 * 1000;
const dist = resolve(import.meta.dirname, '../../dist');

interface Chunk {
  file: string;
  src?: string;
  isEntry?: boolean;
  imports?: string[];
  css?: string[];
}

function manifest(): Record<string, Chunk> {
  const path = resolve(dist, '.vite/manifest.json');
  if (!existsSync(path)) throw new Error('there is no web/dist: run npm run build first');
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, Chunk>;
}

/** A chunk, and what it cannot start without: `dist`'s files. */
function needed(chunks: Record<string, Chunk>, name: string, seen = new Set<string>()): Set<string> {
  const chunk = chunks[name];
  if (!chunk) throw new Error(`the manifest has no ${name}`);
  if (seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const css of chunk.css ?? []) seen.add(css);
  for (const next of chunk.imports ?? []) needed(chunks, next, seen);
  return seen;
}

function size(files: Iterable<string>): number {
  let sum = 0;
  for (const file of files) sum += gzipSync(readFileSync(resolve(dist, file)), { level: 9 }).length;
  return sum;
}

function page(chunks: Record<string, Chunk>, source: string): string {
  const found = Object.keys(chunks).find((name) => name.endsWith(source));
  if (!found) throw new Error(`nothing was built of ${source}`);
  return found;
}

describe('the first load', () => {
  const chunks = manifest();

  test.each([
    ['the frame and the sign-in', ['src/pages/sign-in.tsx']],
    ['the overview', ['src/pages/overview.tsx']],
  ])('of %s is under 350 KB packed', (what, pages) => {
    const files = needed(chunks, 'index.html');
    for (const one of pages) needed(chunks, page(chunks, one), files);
    const octets = size(files) + gzipSync(readFileSync(resolve(dist, 'index.html'))).length;
    console.log(`${what}: ${(octets / 1000).toFixed(1)} KB in ${files.size + 1} files`);
    expect(octets).toBeLessThan(LIMIT);
  });

  test('has neither the editor nor the charts', () => {
    const texts = [...needed(chunks, 'index.html')].map((file) => readFileSync(resolve(dist, file), 'utf8'));
    for (const mark of ['cm-editor', 'u-over']) {
      expect(
        texts.some((text) => text.includes(mark)),
        `${mark} is in the first load: import that library with import()`,
      ).toBe(false);
    }
  });
});
