import { Badge, Group, Paper, Stack, Text, VisuallyHidden } from '@mantine/core';
import { useMemo } from 'react';
import type { Schemas } from '@/api/client';
import { plural } from '@/lib/format';
import css from './diff.module.css';
import type { Said } from './diff-values';
import { type Change, inWords, type Line, type Thing } from './diff-words';

const COLOUR: Record<Change, string> = { added: 'green', removed: 'red', changed: 'blue' };

export function DiffView({ differences }: { differences: readonly Schemas['Difference'][] }) {
  const things = useMemo(() => inWords(differences), [differences]);
  return (
    <Stack gap="xs" role="group" aria-label="Changes">
      <Text size="sm" c="dimmed">
        {plural(differences.length, 'change')}
      </Text>
      {things.map((thing) => (
        <Paper key={thing.path} withBorder radius="md" className={css.thing}>
          <Group px="sm" py={6} gap="xs">
            <Text fw={600} size="sm" className="wrap">
              {thing.title}
            </Text>
            {thing.change !== 'changed' && <Kind change={thing.change} />}
            <Text size="xs" c="dimmed" className="mono wrap">
              {thing.path}
            </Text>
          </Group>
          <OfThing thing={thing} />
        </Paper>
      ))}
    </Stack>
  );
}

function OfThing({ thing }: { thing: Thing }) {
  const chosen = thing.lines.filter(({ made }) => !made);
  const made = thing.lines.filter((line) => line.made);
  const whole = thing.change !== 'changed';
  const lines = chosen.map((line) => <OneLine key={line.path} line={line} plain={whole} />);
  return (
    <>
      {thing.change === 'removed' ? (
        <details className={css.more}>
          <summary>What it was</summary>
          {lines}
        </details>
      ) : (
        lines
      )}
      {made.length > 0 && (
        <details className={css.more}>
          <summary>{plural(made.length, 'field')} that the gateway made for its own second factor</summary>
          {made.map((line) => (
            <OneLine key={line.path} line={line} plain={whole} />
          ))}
        </details>
      )}
      {thing.defaults > 0 && (
        <Text size="xs" c="dimmed" className={css.rest}>
          Everything else is as by default.
        </Text>
      )}
    </>
  );
}

function Kind({ change }: { change: Change }) {
  return (
    <Badge size="sm" color={COLOUR[change]} variant="light" tt="none" miw="max-content">
      {change}
    </Badge>
  );
}

/** One field. Of a thing that is new, or gone, as a whole, the title has said so. */
function OneLine({ line, plain }: { line: Line; plain: boolean }) {
  return (
    <div className={plain ? `${css.line} ${css.plain}` : css.line}>
      <div className={css.name}>
        {!plain && <Kind change={line.change} />}
        <Text size="sm" fw={500} className="wrap">
          {line.label}
        </Text>
        <Text size="xs" c="dimmed" className="mono wrap">
          {line.path}
        </Text>
      </div>
      <div>
        {line.before && <Side said={line.before} sign="−" word="before" name="diff-before" />}
        {line.after && <Side said={line.after} sign="+" word="after" name="diff-after" />}
      </div>
    </div>
  );
}

function Side({ said, sign, word, name }: { said: Said; sign: string; word: string; name: string }) {
  return (
    <div className={`diff-line ${name}`}>
      <span aria-hidden>{sign} </span>
      <VisuallyHidden>{word}: </VisuallyHidden>
      {said.text}
      {said.blocks.map((block) => (
        <details key={block.body}>
          <summary>{block.name}</summary>
          {block.body}
        </details>
      ))}
    </div>
  );
}
