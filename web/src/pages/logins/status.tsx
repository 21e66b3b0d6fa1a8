import { Button, Group, Text, Tooltip, VisuallyHidden } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { ArrowUp, Pause, Play } from 'lucide-react';
import { plural } from '@/lib/format';
import type { Snapshot } from './feed';
import styles from './status.module.css';

/** Why what comes is only counted: a button, a login that is open over the list, or rows that are read. */
export type Held = 'paused' | 'open' | 'reading';
export type Shown = 'live' | Held | 'connecting' | 'reconnecting' | 'still';

/** How current the list is. */
export function shownOf(snapshot: Snapshot, held: Held | null): Shown {
  switch (snapshot.connection) {
    case 'ended':
      return 'still';
    case 'connecting':
      return 'connecting';
    case 'live':
      return held ?? 'live';
    default:
      return 'reconnecting';
  }
}

const WORDS: Record<Shown, { word: string; about: string }> = {
  live: { word: 'live', about: 'New logins appear as they end.' },
  paused: { word: 'paused', about: 'New logins are counted, so that what you read does not move.' },
  open: { word: 'paused while this is open', about: 'New logins are counted, and shown when it is closed.' },
  reading: {
    word: 'paused while you read',
    about:
      'New logins are counted, so that what you read does not move. At the top of the list it goes on, when no row has the focus.',
  },
  connecting: { word: 'connecting', about: 'The live stream is being opened.' },
  reconnecting: {
    word: 'reconnecting',
    about: 'The live stream was interrupted. It resumes where it stopped.',
  },
  still: { word: 'not live', about: 'The chosen time is in the past, or the stream was refused.' },
};

export function LiveStatus({
  snapshot,
  held,
  onPaused,
  onRelease,
}: {
  snapshot: Snapshot;
  held: Held | null;
  onPaused: (paused: boolean) => void;
  onRelease: () => void;
}) {
  const shown = shownOf(snapshot, held);
  const { word, about } = WORDS[shown];
  const paused = held === 'paused';
  const news = snapshot.stale ? 'Many new' : `${plural(snapshot.pending, 'new login')}`;
  const any = snapshot.stale || snapshot.pending > 0;
  const [said] = useDebouncedValue(any ? news : '', 2_000);
  return (
    <Group gap="xs">
      {any && (
        <Button size="compact-sm" onClick={onRelease} leftSection={<ArrowUp size={15} aria-hidden />}>
          {snapshot.stale ? 'Many new: load again' : `${news.replace(/ logins?$/, '')}`}
        </Button>
      )}
      <Tooltip label={snapshot.streamError?.problem.detail ?? about} multiline maw={320}>
        <Text size="sm" component="span" className={styles.status} data-state={shown} role="status">
          <span className={styles.dot} aria-hidden />
          {word}
        </Text>
      </Tooltip>
      {shown !== 'still' && (
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => onPaused(!paused)}
          leftSection={paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
        >
          {paused ? 'Go on' : held ? 'Stay paused' : 'Pause'}
        </Button>
      )}
      <VisuallyHidden aria-live="polite">{said}</VisuallyHidden>
    </Group>
  );
}
