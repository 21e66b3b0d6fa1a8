/** The text with everything around it: checks, help, files, preview. */
import { Alert, Button, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Download, Eye } from 'lucide-react';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { UnsavedGuard } from '@/components/guard';
import { Loading } from '@/components/page';
import classes from './configuration.module.css';
import { Conflict } from './conflict';
import { counted, errorsNow } from './diagnostics';
import type { EditorHandle } from './editor';
import { MissingKeys, NamedFiles } from './files';
import { AtTheCursor, Findings, LineTable } from './findings';
import { OpenFile } from './open-file';
import { Preview } from './preview';
import { type Deed, type How, missingKeys, nameOf, type Sheet, type Source, tagQuery } from './source';
import { useValidation } from './use-validation';

const Editor = lazy(() => import('./editor'));

export function Workbench({
  source,
  loaded,
  readOnly,
  onReload,
}: {
  source: Source;
  loaded: Sheet;
  readOnly: boolean;
  /** Reads it again, after something was brought in. */
  onReload: () => void;
}) {
  const [base, setBase] = useState(loaded);
  const [text, setText] = useState(loaded.text);
  const [files, setFiles] = useState(loaded.files);
  const [how, setHow] = useState<How>('replace');
  const [line, setLine] = useState(1);
  const [side, setSide] = useState('cursor');
  const [deed, setDeed] = useState<Deed | null>(null);
  // It is in, and is read again as soon as the verdicts were seen.
  const [applied, setApplied] = useState(false);
  const [conflict, setConflict] = useState(false);
  // A preview was asked for, of a text with faults.
  const [stopped, setStopped] = useState(false);
  const editor = useRef<EditorHandle>(null);
  const validation = useValidation(source, text, files, !readOnly);
  const { found } = validation;
  const lines = useMemo(() => text.split('\n'), [text]);
  const dirty = !readOnly && (text !== base.text || files !== base.files);
  const now = useQuery({ ...tagQuery(source), enabled: !readOnly && base.tag !== null });
  const moved = deed === null && !!now.data && !!base.tag && now.data !== base.tag && how === 'replace';

  const goTo = (wanted: number) => editor.current?.goTo(wanted);
  const errors = errorsNow(validation);
  const known = errors.length > 0;
  const preview = () => {
    if (readOnly || text.trim() === '' || deed !== null || conflict) return;
    setStopped(known);
    // What is known to be wrong is shown where it stands.
    const first = errors.find(({ line: at, file }) => at != null && file === nameOf(source));
    if (known) goTo(first?.line ?? 1);
    else setDeed({ source, how, text, lineEnd: base.lineEnd, files, tag: base.tag });
  };
  useHotkeys([['mod+S', preview]], [], true);

  const load = useCallback((sheet: Sheet) => {
    setBase(sheet);
    setText(sheet.text);
    setFiles(sheet.files);
    setHow('replace');
  }, []);
  // It was read again after something was brought in.
  useEffect(() => load(loaded), [loaded, load]);
  const unused = found?.unused_files ?? [];
  const download = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    link.download = 'authproxy.cfg';
    link.click();
    URL.revokeObjectURL(link.href);
  };

  return (
    <Stack gap="sm">
      <UnsavedGuard dirty={dirty && !applied} what="the configuration" />
      {moved && (
        <Alert
          color="orange"
          title={
            source.kind === 'file'
              ? 'The file has been changed in the meantime'
              : 'The configuration has been changed in the meantime'
          }
          role="alert"
        >
          <Group gap="sm">
            <Text size="sm">What you see here is older than what there is.</Text>
            <Button size="compact-sm" variant="default" onClick={() => setConflict(true)}>
              Compare
            </Button>
          </Group>
        </Alert>
      )}
      {!readOnly && base.text === '' && text === '' && (
        <Alert color="blue" title="There is no configuration yet">
          <Text size="sm">
            Open the authproxy.cfg that you have, or begin to write: Ctrl+Space shows the sections there are.
          </Text>
        </Alert>
      )}
      {base.leftOut.length > 0 && (
        <Alert color="orange" title="Not in this text">
          <Text size="sm" className="wrap">
            A file cannot hold these settings, which their mode ignores: {base.leftOut.join(', ')}
          </Text>
        </Alert>
      )}
      {how === 'merge' && (
        <Alert color="blue" title="This text is added to what there is">
          <Group gap="sm">
            <Text size="sm">Its sections are added; nothing that is there is changed.</Text>
            <Button size="compact-sm" variant="default" onClick={() => load(base)}>
              Back to the whole configuration
            </Button>
          </Group>
        </Alert>
      )}
      {!readOnly && (
        <MissingKeys
          names={missingKeys(files).filter((name) => !unused.includes(name))}
          onChange={setFiles}
        />
      )}
      <Group gap="xs">
        {!readOnly && (
          <>
            <Button
              onClick={preview}
              disabled={text.trim() === ''}
              leftSection={<Eye size={16} aria-hidden />}
              aria-keyshortcuts="Control+S"
            >
              Preview changes
            </Button>
            <OpenFile
              asks={source.kind === 'database' && base.text !== ''}
              onOpen={(opened, chosen) => {
                setText(opened);
                setHow(chosen);
                // Those of the text before go with it; what was added here may be for this one.
                setFiles((now) => addedTo(base.files, now));
              }}
            />
          </>
        )}
        <Button variant="default" onClick={download} leftSection={<Download size={16} aria-hidden />}>
          Download
        </Button>
        {stopped && known ? (
          <Text size="sm" c="red" role="alert">
            {counted(errors)} to put right first: the list is below the text.
          </Text>
        ) : (
          dirty && (
            <Text size="sm" c="dimmed">
              Not applied yet
            </Text>
          )
        )}
      </Group>
      <div className={classes.columns}>
        <Stack gap="sm" miw={0}>
          <Suspense fallback={<Loading />}>
            <Editor
              handle={editor}
              text={text}
              onText={setText}
              onLine={setLine}
              findings={found?.diagnostics ?? []}
              file={nameOf(source)}
              readOnly={readOnly}
              label="Configuration"
              describedBy="editor-keys"
            />
          </Suspense>
          <Text size="sm" c="dimmed" id="editor-keys">
            Ctrl+Space shows what can be written. Esc closes it; then Tab leaves the editor. Ctrl+S shows what
            would change.
          </Text>
          {!readOnly && <Findings validation={validation} file={nameOf(source)} goTo={goTo} />}
        </Stack>
        <Stack gap="sm" className={classes.side}>
          {/* What only is read is not checked, so nothing is known of its lines. */}
          {!readOnly && (
            <SegmentedControl
              value={side}
              onChange={setSide}
              data={[
                { value: 'cursor', label: 'At the cursor' },
                { value: 'lines', label: 'Every line' },
              ]}
              aria-label="What is shown beside the text"
              fullWidth
            />
          )}
          {side === 'cursor' ? (
            <AtTheCursor lines={lines} line={line} report={found?.report} />
          ) : found ? (
            <LineTable report={found.report} goTo={goTo} />
          ) : (
            <Text size="sm" c="dimmed">
              What each line becomes is shown here once the text was checked.
            </Text>
          )}
          {source.kind === 'database' && !readOnly && (
            <NamedFiles files={files} unused={unused} onChange={setFiles} />
          )}
        </Stack>
      </div>
      <Preview
        deed={deed}
        onClose={() => setDeed(null)}
        onApplied={() => setApplied(true)}
        onDone={() => {
          setDeed(null);
          setApplied(false);
          onReload();
        }}
        onChanged={() => {
          setDeed(null);
          setConflict(true);
        }}
      />
      <Conflict
        source={source}
        text={text}
        opened={conflict}
        onClose={() => setConflict(false)}
        onTheirs={(theirs) => {
          load(theirs);
          setConflict(false);
        }}
        onMine={(theirs) => {
          setBase(theirs);
          setConflict(false);
        }}
      />
    </Stack>
  );
}

/** The files that were added, or changed, since `before`. */
function addedTo(before: Sheet['files'], now: Sheet['files']): Sheet['files'] {
  return Object.fromEntries(Object.entries(now).filter(([name, content]) => before[name] !== content));
}
