/** What no source of the dashboard does, and that its navigation leads somewhere. */
import { readdirSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeQueryClient } from '@/api/queries';
import { makeRouter } from '@/router';

const root = resolve(import.meta.dirname, '..');
const web = resolve(root, '..');

/** What a browser fetches: an address in one of these places is asked for when the page is shown. */
const FETCHED = [
  String.raw`\b(?:src|srcSet|href|action|formAction|poster|data|xlinkHref)=\{?\s*["'\x60]https?:`,
  String.raw`\.(?:src|href|action)\s*=\s*["'\x60]https?:`,
  String.raw`\burl\(\s*["']?https?:`,
  String.raw`@import\s+["'](?:https?:)?//`,
  String.raw`\b(?:fetch|import|sendBeacon|open|EventSource|WebSocket|Worker|SharedWorker)\(\s*["'\x60](?:https?|wss?):`,
  String.raw`\bfrom\s+["']https?:`,
].join('|');

const RULES: { what: string; pattern: RegExp; caught: string[]; passed: string[] }[] = [
  {
    what: 'renders text as HTML',
    pattern: /dangerouslySetInnerHTML|\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\bsrcdoc\b/i,
    caught: [
      '<p dangerouslySetInnerHTML={{ __html: x }} />',
      'node.innerHTML = x',
      "node.insertAdjacentHTML('a', x)",
    ],
    passed: ['node.textContent = x'],
  },
  {
    what: 'makes programs of texts',
    pattern: /\beval\s*\(|\bnew\s+Function\b|\bset(?:Timeout|Interval)\(\s*['"`]/,
    caught: ['eval(x)', 'new Function("a", x)', 'setTimeout("x()", 1)'],
    passed: ['evaluate(x)', 'setTimeout(() => x(), 1)'],
  },
  {
    what: 'keeps anything in localStorage or in cookies',
    pattern: /\blocalStorage\b|document\.cookie|\bindexedDB\b|useLocalStorage/,
    caught: ["localStorage.setItem('token', x)", "document.cookie = 'a=b'"],
    passed: ["sessionStorage.setItem('reloaded-at', now)"],
  },
  {
    what: 'keeps a secret in sessionStorage',
    pattern: /sessionStorage\.\w+\([^)]*(?:token|secret|passw|passcode|invitation|setup)/i,
    caught: ["sessionStorage.setItem('token', x)", "sessionStorage.setItem('x', invitation)"],
    passed: ["sessionStorage.setItem('reloaded-at', String(Date.now()))"],
  },
  {
    what: 'fetches from outside',
    pattern: new RegExp(FETCHED),
    caught: [
      '<img src="https://example.com/x.png" />',
      "<a href={'https://example.com'}>",
      "import('https://example.com/x.js')",
      'background: url(https://example.com/x.png)',
      '@import "//example.com/x.css"',
      "fetch('https://example.com')",
      "new WebSocket('wss://example.com')",
    ],
    passed: ['placeholder="https://idp.example.com/realms/staff"', 'return `https://$' + '{host}:8403`'],
  },
];

function sources(): string[] {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const own = all.filter(
    (file) => /\.(?:tsx?|css)$/.test(file) && !/\.test\.tsx?$|^test\/|^api\/schema\.d\.ts$/.test(file),
  );
  return [...own.map((file) => resolve(root, file)), resolve(web, 'index.html')];
}

/** Without comments, in which anything may be named. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

describe.each(RULES)('no source $what', ({ pattern, caught, passed }) => {
  test.each(caught)('which would be found: %s', (line) => {
    expect(code(line)).toMatch(pattern);
  });
  test.each(passed)('which is something else: %s', (line) => {
    expect(code(line)).not.toMatch(pattern);
  });
  test('and none does', () => {
    const files = sources();
    expect(files.length).toBeGreaterThan(50);
    const found = files.flatMap((file) =>
      code(readFileSync(file, 'utf8'))
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${relative(web, file)}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});

describe('the navigation', () => {
  const routes = new Set(Object.keys(makeRouter(makeQueryClient()).routesByPath));

  test('has a route for each of its links', () => {
    const shell = readFileSync(resolve(root, 'layout/shell.tsx'), 'utf8');
    const links = [...shell.matchAll(/\bto(?:=|: )["']([^"']+)["']/g)].map(([, to]) => to ?? '');
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((to) => !routes.has(to))).toEqual([]);
  });

  test('and each link of the pages has one', () => {
    const found = sources().flatMap((file) =>
      [...code(readFileSync(file, 'utf8')).matchAll(/\bto(?:=|: )\{?["'](\/[^"'?#]*)["']/g)]
        .map(([, to]) => to ?? '')
        .filter((to) => !routes.has(to))
        .map((to) => `${relative(web, file)}: ${to}`),
    );
    expect(found).toEqual([]);
  });
});
