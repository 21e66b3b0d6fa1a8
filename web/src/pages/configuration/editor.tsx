/** The text editor. Loaded with the page that has it: it is large. */
import { closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { type Ref, useEffect, useImperativeHandle, useRef } from 'react';
import { nonce } from '@/nonce';
import classes from './configuration.module.css';
import type { Finding } from './diagnostics';
import { language, marks } from './language';

export interface EditorHandle {
  goTo: (line: number) => void;
}

export default function Editor({
  handle,
  text,
  onText,
  onLine,
  findings,
  file,
  readOnly,
  label,
  describedBy,
}: {
  handle: Ref<EditorHandle>;
  text: string;
  onText: (text: string) => void;
  /** The line of the cursor, from 1. */
  onLine: (line: number) => void;
  findings: readonly Finding[];
  /** What the findings call this text. */
  file: string;
  readOnly: boolean;
  label: string;
  describedBy: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const told = useRef({ onText, onLine });
  told.current = { onText, onLine };
  const initial = useRef({ text, label, describedBy });
  const access = useRef(new Compartment());

  useEffect(() => {
    if (!place.current) return;
    const made = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: initial.current.text,
        extensions: [
          EditorView.cspNonce.of(nonce()),
          lineNumbers(),
          lintGutter(),
          highlightActiveLineGutter(),
          highlightSpecialChars(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          highlightSelectionMatches(),
          EditorView.lineWrapping,
          language,
          keymap.of([
            ...closeBracketsKeymap,
            ...defaultKeymap,
            ...searchKeymap,
            ...historyKeymap,
            ...completionKeymap,
            ...lintKeymap,
          ]),
          EditorView.contentAttributes.of({
            tabindex: '0',
            'aria-label': initial.current.label,
            'aria-describedby': initial.current.describedBy,
            autocapitalize: 'off',
            autocorrect: 'off',
            spellcheck: 'false',
          }),
          access.current.of([]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) told.current.onText(update.state.doc.toString());
            if (update.docChanged || update.selectionSet)
              told.current.onLine(update.state.doc.lineAt(update.state.selection.main.head).number);
          }),
        ],
      }),
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    const now = view.current;
    if (!now || now.state.doc.toString() === text) return;
    // Another text was loaded: it can be undone like any other change.
    now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: text }, selection: { anchor: 0 } });
  }, [text]);

  useEffect(() => {
    view.current?.dispatch({
      effects: access.current.reconfigure(
        readOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(true)] : [],
      ),
    });
  }, [readOnly]);

  useEffect(() => {
    const now = view.current;
    if (now) now.dispatch(setDiagnostics(now.state, marks(findings, now.state.doc, file)));
  }, [findings, file]);

  useImperativeHandle(handle, () => ({
    goTo: (line) => {
      const now = view.current;
      if (!now) return;
      const { from } = now.state.doc.line(Math.min(Math.max(1, line), now.state.doc.lines));
      now.dispatch({
        selection: { anchor: from },
        effects: EditorView.scrollIntoView(from, { y: 'center' }),
      });
      now.focus();
    },
  }));

  return <div ref={place} className={classes.editor} />;
}
