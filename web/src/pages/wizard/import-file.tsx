import { Box, Button, FileButton, Group, Paper, Stack, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Files, FileUp, X } from 'lucide-react';
import { type DragEvent, lazy, Suspense, useCallback, useRef, useState } from 'react';
import { Loading } from '@/components/page';
import type { EditorHandle } from '../configuration/editor';
import { Findings } from '../configuration/findings';
import { Onward, Step } from './frame';
import classes from './import-file.module.css';
import { looked, type Sent } from './look';

const Editor = lazy(() => import('../configuration/editor'));

/** Which of several files is the configuration: the one that has such a name, or sections of it. */
export function sortFiles(files: readonly { name: string; content: string }[]): {
  main: { name: string; content: string } | undefined;
  others: Record<string, string>;
} {
  const looks = ({ content }: { content: string }) =>
    /^\s*\[(main|ad_client|radius_client|duo_only_client|radius_server_\w+)\d*\]\s*$/m.test(content);
  const main =
    files.find(({ name, content }) => /\.(cfg|conf|ini)$/i.test(name) && looks({ content })) ??
    files.find(looks) ??
    files.find(({ name }) => /\.(cfg|ini)$/i.test(name));
  const others: Record<string, string> = {};
  for (const file of files) if (file !== main) others[file.name] = file.content;
  return { main, others };
}

/** A file that is there already: dropped, chosen or pasted, with those that it names. */
export function ImportFile({
  sent,
  change,
  line,
  back,
  next,
}: {
  sent: Sent;
  change: (sent: Sent) => void;
  /** Where a fault is that is to be put right. */
  line: number | null;
  back: () => void;
  next: () => void;
}) {
  const [over, setOver] = useState(false);
  const [empty, setEmpty] = useState(false);
  const [settled] = useDebouncedValue(sent, 400);
  const look = useQuery({
    ...looked(settled),
    enabled: settled.text.trim() !== '',
    placeholderData: keepPreviousData,
  });
  const editor = useRef<EditorHandle | null>(null);
  const led = useRef(line === null);
  const handle = useCallback(
    (made: EditorHandle | null) => {
      editor.current = made;
      if (!made || led.current || line === null) return;
      led.current = true;
      // The text is drawn a moment after the editor is there.
      setTimeout(() => editor.current?.goTo(line), 100);
    },
    [line],
  );
  const take = async (list: readonly File[]) => {
    const read = await Promise.all(
      list.map(async (file) => ({ name: file.name, content: await file.text() })),
    );
    const { main, others } = sortFiles(read);
    change({
      text: main?.content ?? sent.text,
      name: main?.name ?? sent.name,
      files: { ...sent.files, ...others },
    });
    setEmpty(false);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take([...event.dataTransfer.files]);
  };
  const named = Object.keys(sent.files);
  return (
    <Step
      title="Your authproxy.cfg"
      lead="Of a Duo Authentication Proxy, or of another Countersign. It is looked at line by line first; nothing is changed before you say so."
    >
      <Stack gap="md">
        <Paper
          withBorder
          p="lg"
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={drop}
          style={{
            borderStyle: 'dashed',
            borderColor: over ? 'var(--mantine-primary-color-filled)' : undefined,
          }}
        >
          <Stack align="center" gap="xs">
            <FileUp size={28} aria-hidden />
            <Text size="sm" ta="center">
              Drop it here, with the files that it names: certificates, keys, dictionaries.
            </Text>
            <FileButton multiple onChange={(files) => void take(files)}>
              {(props) => (
                <Button {...props} variant="default" leftSection={<Files size={16} aria-hidden />}>
                  Choose files
                </Button>
              )}
            </FileButton>
          </Stack>
        </Paper>
        {named.length > 0 && (
          <Group gap="xs" role="group" aria-label="Files that go along">
            <Text size="sm">With it:</Text>
            {named.map((name) => (
              <Button
                key={name}
                variant="default"
                size="compact-sm"
                rightSection={<X size={14} aria-hidden />}
                aria-label={`Leave out ${name}`}
                onClick={() => {
                  const { [name]: _, ...files } = sent.files;
                  change({ ...sent, files });
                }}
              >
                {name}
              </Button>
            ))}
          </Group>
        )}
        <Box>
          <Text size="sm" fw={500} id="file-text">
            Its text
          </Text>
          <Text size="xs" c="dimmed" mb={6} id="file-keys">
            Or paste it. Secrets stay between this page and the gateway. Esc, then Tab leaves the editor.
          </Text>
          <div className={classes.editor}>
            <Suspense fallback={<Loading />}>
              <Editor
                handle={handle}
                text={sent.text}
                onText={(text) => {
                  setEmpty(false);
                  change({ ...sent, text });
                }}
                onLine={() => {}}
                findings={look.data?.diagnostics ?? []}
                file={sent.name}
                readOnly={false}
                label="Its text"
                describedBy="file-keys"
              />
            </Suspense>
          </div>
          {empty && (
            <Text size="sm" c="red" role="alert" mt={4}>
              Drop, choose or paste a file first.
            </Text>
          )}
        </Box>
        {sent.text.trim() !== '' && (
          <Findings
            validation={{
              found: look.data ?? null,
              error: look.error,
              pending: look.isFetching || settled !== sent,
            }}
            file={sent.name}
            goTo={(wanted) => editor.current?.goTo(wanted)}
          />
        )}
      </Stack>
      <Onward>
        <Button variant="default" onClick={back}>
          Back
        </Button>
        <Button
          onClick={() => {
            if (sent.text.trim() === '') setEmpty(true);
            else next();
          }}
        >
          Review
        </Button>
      </Onward>
    </Step>
  );
}
