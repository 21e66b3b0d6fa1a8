/** Reads the Markdown of the documentation: headings, paragraphs, lists, tables and blocks of code. */

export type Block =
  | { kind: 'heading'; depth: number; text: string }
  | { kind: 'paragraph'; text: string }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'list'; ordered: boolean; items: Block[][] }
  | { kind: 'table'; head: string[]; rows: string[][] };

export interface Span {
  kind: 'text' | 'code' | 'strong' | 'emphasis' | 'link';
  text: string;
  /** Of a link. */
  to: string;
}

const ITEM = /^(\s*)(?:[-*]|(\d+)\.) +(.*)$/;
const FENCE = /^(\s*)```(\S*)\s*$/;

export function parseMarkdown(text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    const heading = /^(#{1,6}) (.*)$/.exec(line);
    const fence = FENCE.exec(line);
    const item = ITEM.exec(line);
    if (line.trim() === '') {
      at++;
    } else if (heading) {
      blocks.push({ kind: 'heading', depth: (heading[1] ?? '').length, text: heading[2] ?? '' });
      at++;
    } else if (fence) {
      let end = at + 1;
      while (end < lines.length && (lines[end] ?? '').trim() !== '```') end++;
      blocks.push({
        kind: 'code',
        language: fence[2] ?? '',
        text: lines.slice(at + 1, end).join('\n'),
      });
      at = end + 1;
    } else if (line.startsWith('|')) {
      const rows: string[][] = [];
      while ((lines[at] ?? '').startsWith('|')) rows.push(cellsOf(lines[at++] ?? ''));
      // The second row is a line of dashes.
      blocks.push({ kind: 'table', head: rows[0] ?? [], rows: rows.slice(2) });
    } else if (item) {
      const ordered = item[2] !== undefined;
      const items: Block[][] = [];
      while (at < lines.length) {
        const next = ITEM.exec(lines[at] ?? '');
        if (!next || (next[2] !== undefined) !== ordered || (next[1] ?? '') !== '') break;
        const width = (lines[at] ?? '').length - (next[3] ?? '').length;
        const own = [next[3] ?? ''];
        at++;
        // What is indented belongs to the item; a blank line within it too.
        while (at < lines.length) {
          const inner = lines[at] ?? '';
          const follows = inner.trim() === '' && /^\s/.test(lines[at + 1] ?? '');
          if (!follows && !/^\s+\S/.test(inner)) break;
          own.push(inner.slice(Math.min(width, inner.length - inner.trimStart().length)));
          at++;
        }
        items.push(parseMarkdown(own.join('\n')));
        if ((lines[at] ?? '').trim() === '' && ITEM.test(lines[at + 1] ?? '')) at++;
      }
      blocks.push({ kind: 'list', ordered, items });
    } else {
      const own = [line];
      at++;
      while (at < lines.length) {
        const next = lines[at] ?? '';
        if (next.trim() === '' || /^(#{1,6} |\||\s*```)/.test(next) || ITEM.test(next)) break;
        own.push(next.trim());
        at++;
      }
      blocks.push({ kind: 'paragraph', text: own.join(' ') });
    }
  }
  return blocks;
}

/** `| a | b \| c |` -> `['a', 'b | c']`. */
function cellsOf(row: string): string[] {
  return row
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  const pattern = /`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*?)\*|\[((?:`[^`]*`|[^\]])*)\]\(([^)]*)\)/g;
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > from) spans.push({ kind: 'text', text: text.slice(from, found.index), to: '' });
    const [, code, strong, emphasis, words, to = ''] = found;
    if (code !== undefined) spans.push({ kind: 'code', text: code, to });
    else if (strong !== undefined) spans.push({ kind: 'strong', text: strong, to });
    else if (emphasis !== undefined) spans.push({ kind: 'emphasis', text: emphasis, to });
    else spans.push({ kind: 'link', text: words ?? '', to });
    from = found.index + found[0].length;
  }
  if (from < text.length) spans.push({ kind: 'text', text: text.slice(from), to: '' });
  return spans;
}
