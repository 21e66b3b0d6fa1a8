/** The little Markdown that the documentation's pages are written in, as elements; never as HTML. */
import { Anchor, Code, List, Stack, Table, Text, Title } from '@mantine/core';
import { Fragment, type ReactNode } from 'react';
import { CopyBlock } from './copy';
import { type Block, parseMarkdown, type Span, spansOf } from './markdown-parse';

/** `level` is that of the page's `##`; `copies`: whether its blocks can be copied. */
export function Markdown({
  text,
  level = 3,
  copies = true,
}: {
  text: string;
  level?: 2 | 3 | 4;
  copies?: boolean;
}) {
  return (
    <Stack gap="sm">
      {parseMarkdown(text).map((block, index) => (
        <Fragment key={index}>{shown(block, level, copies)}</Fragment>
      ))}
    </Stack>
  );
}

function shown(block: Block, level: number, copies: boolean): ReactNode {
  switch (block.kind) {
    case 'heading':
      return (
        <Title order={Math.min(6, level + block.depth - 2) as 2 | 3 | 4 | 5 | 6} size="1rem" mt="xs">
          <Inline text={block.text} />
        </Title>
      );
    case 'code':
      return copies ? (
        <CopyBlock text={block.text} label={block.language || 'Text to copy'} />
      ) : (
        <Code block tabIndex={0}>
          {block.text}
        </Code>
      );
    case 'list':
      return (
        <List type={block.ordered ? 'ordered' : 'unordered'} size="sm" spacing={6} pr="sm">
          {block.items.map((item, index) => (
            <List.Item key={index} className="wrap">
              {item.map((inner, at) => (
                <Fragment key={at}>
                  {inner.kind === 'paragraph' ? <Inline text={inner.text} /> : shown(inner, level, copies)}
                </Fragment>
              ))}
            </List.Item>
          ))}
        </List>
      );
    case 'table':
      return (
        <Table.ScrollContainer minWidth={320}>
          <Table withTableBorder verticalSpacing={6}>
            {block.head.some((cell) => cell !== '') && (
              <Table.Thead>
                <Table.Tr>
                  {block.head.map((cell, index) => (
                    <Table.Th key={index}>
                      <Inline text={cell} />
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
            )}
            <Table.Tbody>
              {block.rows.map((row, at) => (
                <Table.Tr key={at}>
                  {row.map((cell, index) => (
                    <Table.Td key={index}>
                      <Inline text={cell} />
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      );
    case 'paragraph':
      return (
        <Text size="sm" className="wrap">
          <Inline text={block.text} />
        </Text>
      );
  }
}

function Inline({ text }: { text: string }) {
  return spansOf(text).map((span, index) => <Fragment key={index}>{inline(span)}</Fragment>);
}

function inline(span: Span): ReactNode {
  if (span.kind === 'code') return <Code className="wrap">{span.text}</Code>;
  if (span.kind === 'strong') return <b>{<Inline text={span.text} />}</b>;
  if (span.kind === 'emphasis') return <em>{<Inline text={span.text} />}</em>;
  if (span.kind === 'link' && /^https:\/\//.test(span.to))
    return (
      <Anchor href={span.to} rel="noreferrer" target="_blank" underline="always" inherit>
        {span.text}
      </Anchor>
    );
  // Links between pages of the book lead nowhere here: their words say enough.
  return span.kind === 'link' ? <Inline text={span.text} /> : span.text;
}
