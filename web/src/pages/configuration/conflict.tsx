/** Somebody else changed it meanwhile: both texts, and which one to go on with. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Loaded } from '@/components/page';
import { type Compared, compare } from './compare';
import { withoutSeals } from './ini';
import { read, type Sheet, type Source } from './source';

/** How many lines around a difference are shown. */
const AROUND = 2;

export function Conflict({
  source,
  text,
  opened,
  onClose,
  onTheirs,
  onMine,
}: {
  source: Source;
  /** What is in the editor. */
  text: string;
  opened: boolean;
  onClose: () => void;
  /** Their text is loaded, and what was typed here is dropped. */
  onTheirs: (theirs: Sheet) => void;
  /** What was typed here is kept, and is brought in on top of theirs. */
  onMine: (theirs: Sheet) => void;
}) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="xl"
      title={
        source.kind === 'file'
          ? 'The file has been changed in the meantime'
          : 'It has been changed in the meantime'
      }
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Both source={source} text={text} onTheirs={onTheirs} onMine={onMine} />
    </Modal>
  );
}

function Both({
  source,
  text,
  onTheirs,
  onMine,
}: {
  source: Source;
  text: string;
  onTheirs: (theirs: Sheet) => void;
  onMine: (theirs: Sheet) => void;
}) {
  const query = useQuery({
    queryKey: ['theirs', source],
    queryFn: () => read(source, true),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
  });
  return (
    <Loaded query={query}>
      {(theirs) => (
        <Stack gap="sm">
          <Text size="sm">
            Nothing is written over. Lines with − are as they are now, lines with + are yours. Sealed secrets
            are not compared.
          </Text>
          <Lines lines={compare(withoutSeals(theirs.text), withoutSeals(text))} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => onTheirs(theirs)}>
              Load the current one, discard mine
            </Button>
            <Button onClick={() => onMine(theirs)}>Continue with mine</Button>
          </Group>
        </Stack>
      )}
    </Loaded>
  );
}

function Lines({ lines }: { lines: Compared[] }) {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - AROUND), index + AROUND + 1).some(({ kind }) => kind !== 'same'),
  );
  if (!near.includes(true)) return <Text size="sm">The texts are the same but for sealed secrets.</Text>;
  return (
    <div role="group" aria-label="Both texts">
      {lines.map((line, index) => {
        if (!near[index])
          return near[index - 1] ? (
            <pre key={index} className="diff-line">
              …
            </pre>
          ) : null;
        const sign = { same: ' ', removed: '−', added: '+' }[line.kind];
        const kind = { same: '', removed: 'diff-before', added: 'diff-after' }[line.kind];
        return (
          <pre key={index} className={`diff-line ${kind}`}>
            {sign} {line.text}
          </pre>
        );
      })}
    </div>
  );
}
