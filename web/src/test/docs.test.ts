/** The documentation's pictures: each that is named is there, and each that is there is named. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const docs = resolve(import.meta.dirname, '../../../docs/src');
const images = resolve(docs, 'images');

/** The pictures that a page of the documentation shows, as files. */
function picturesOf(page: string): string[] {
  const text = readFileSync(page, 'utf8');
  const named = [
    ...text.matchAll(/!\[[^\]]*\]\(([^)\s]+)[^)]*\)/g),
    ...text.matchAll(/<img\s[^>]*src="([^"]+)"/g),
  ];
  return named.map(([, path]) => resolve(dirname(page), path ?? ''));
}

const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md'))
  .map((file) => resolve(docs, file));
const named = pages.flatMap((page) => picturesOf(page).map((picture) => ({ page, picture })));

test('each picture that a page names is there', () => {
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter(({ picture }) => !existsSync(picture));
  expect(missing.map(({ page, picture }) => `${relative(docs, page)}: ${relative(docs, picture)}`)).toEqual(
    [],
  );
});

test('each picture that is there is named by a page', () => {
  const there = existsSync(images) ? readdirSync(images, { recursive: true, encoding: 'utf8' }) : [];
  // The same page on a small screen stands beside the wide one.
  const known = new Set(named.flatMap(({ picture }) => [picture, picture.replace(/\.png$/, '-360.png')]));
  expect(
    there.filter((file) => /\.(?:png|svg|webp)$/.test(file) && !known.has(resolve(images, file))),
  ).toEqual([]);
});

test('each page of the documentation is in its summary', () => {
  const summary = readFileSync(resolve(docs, 'SUMMARY.md'), 'utf8');
  const left = pages.map((page) => relative(docs, page)).filter((page) => !summary.includes(`(${page})`));
  expect(left).toEqual(['SUMMARY.md']);
});
