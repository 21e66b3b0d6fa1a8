import { expect, it } from 'vitest';
import { deviceTemplates } from '@/devices/template';
import { parseMarkdown, spansOf } from './markdown-parse';

it('blocks are told apart, those within lists too', () => {
  const text = `## On it

Two lines
of words:

1. First
   goes on.

   | a | b |
   |---|---|
   | 1 | x \\| y |

2. Second:

   \`\`\`xml
   <a>
     1
   \`\`\`
- Other`;
  expect(parseMarkdown(text)).toEqual([
    { kind: 'heading', depth: 2, text: 'On it' },
    { kind: 'paragraph', text: 'Two lines of words:' },
    {
      kind: 'list',
      ordered: true,
      items: [
        [
          { kind: 'paragraph', text: 'First goes on.' },
          { kind: 'table', head: ['a', 'b'], rows: [['1', 'x | y']] },
        ],
        [
          { kind: 'paragraph', text: 'Second:' },
          { kind: 'code', language: 'xml', text: '<a>\n  1' },
        ],
      ],
    },
    { kind: 'list', ordered: false, items: [[{ kind: 'paragraph', text: 'Other' }]] },
  ]);
});

it('words are told apart', () => {
  expect(spansOf('a `b*c` **d** *e* [`f` g](h) i').map(({ kind, text, to }) => [kind, text, to])).toEqual([
    ['text', 'a ', ''],
    ['code', 'b*c', ''],
    ['text', ' ', ''],
    ['strong', 'd', ''],
    ['text', ' ', ''],
    ['emphasis', 'e', ''],
    ['text', ' ', ''],
    ['link', '`f` g', 'h'],
    ['text', ' i', ''],
  ]);
});

it('every block of a device’s page is found', async () => {
  for (const device of await deviceTemplates()) {
    const count = (blocks: ReturnType<typeof parseMarkdown>): number =>
      blocks.reduce(
        (sum, block) =>
          sum +
          (block.kind === 'code' ? 1 : 0) +
          (block.kind === 'list' ? block.items.reduce((all, item) => all + count(item), 0) : 0),
        0,
      );
    const fences = device.notes.match(/^\s*```/gm)?.length ?? 0;
    expect(count(parseMarkdown(device.notes)), device.id).toBe(fences / 2);
  }
});
