/** The configuration file as CodeMirror sees it: colours, completion, help, findings. */
import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  startCompletion,
} from '@codemirror/autocomplete';
import { HighlightStyle, StreamLanguage, type StreamParser, syntaxHighlighting } from '@codemirror/language';
import type { Diagnostic } from '@codemirror/lint';
import type { Text } from '@codemirror/state';
import { EditorView, hoverTooltip, keymap } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { complete, type Proposal } from './complete';
import { type Finding, placeOf } from './diagnostics';
import { helpAt } from './help';
import { readLine } from './ini';
import { optionSpec, sectionSpec } from './schema';

interface State {
  section: string;
  line: ReturnType<typeof readLine>;
}

const parser: StreamParser<State> = {
  name: 'authproxy.cfg',
  startState: () => ({ section: '', line: { kind: 'blank' } }),
  copyState: (state) => ({ ...state }),
  token(stream, state) {
    if (stream.sol()) {
      state.line = readLine(stream.string);
      if (state.line.kind === 'section') state.section = state.line.name;
    }
    const { line } = state;
    if (line.kind !== 'option') {
      stream.skipToEnd();
      if (line.kind === 'comment') return 'comment';
      if (line.kind === 'section') return sectionSpec(line.name) ? 'heading' : 'invalid';
      return line.kind === 'fault' ? 'invalid' : null;
    }
    if (stream.pos < line.equals) {
      stream.pos = line.equals;
      const section = sectionSpec(state.section);
      return section && optionSpec(section, line.key) ? 'propertyName' : 'invalid';
    }
    if (stream.pos === line.equals) {
      stream.next();
      return 'operator';
    }
    stream.skipToEnd();
    return 'string';
  },
  languageData: { commentTokens: { line: ';' } },
};

const colours = HighlightStyle.define([
  { tag: tags.heading, color: 'var(--cfg-section)', fontWeight: '650' },
  { tag: tags.propertyName, color: 'var(--cfg-option)' },
  { tag: tags.string, color: 'var(--cfg-value)' },
  { tag: tags.operator, color: 'var(--mantine-color-dimmed)' },
  { tag: tags.comment, color: 'var(--mantine-color-dimmed)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--cfg-unknown)', textDecoration: 'underline wavy' },
]);

const theme = EditorView.theme({
  '&': { fontSize: '0.85rem', backgroundColor: 'transparent', color: 'var(--mantine-color-text)' },
  '&.cm-focused': { outline: '2px solid var(--mantine-color-anchor)', outlineOffset: '-1px' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.6' },
  '.cm-content': { caretColor: 'var(--mantine-color-text)' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-gutters': {
    backgroundColor: 'transparent',
    color: 'var(--mantine-color-dimmed)',
    borderRight: '1px solid var(--mantine-color-default-border)',
  },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--cfg-active)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': {
    backgroundColor: 'var(--cfg-selection) !important',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--mantine-color-body)',
    color: 'var(--mantine-color-text)',
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: 'var(--mantine-radius-md)',
    maxWidth: 'min(420px, 90vw)',
    fontSize: '0.85rem',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '2px 8px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--mantine-primary-color-filled)',
    color: 'var(--mantine-primary-color-contrast)',
  },
  '.cm-completionDetail': { fontStyle: 'normal', opacity: '0.85' },
  '.cm-completionInfo': { padding: '6px 10px' },
  // Where there is no room beside the list, what it says is below the editor.
  '.cm-completionInfo-right-narrow, .cm-completionInfo-left-narrow': { display: 'none' },
  '.cm-help': { padding: '6px 10px' },
  '.cm-help p, .cm-completionInfo p': { margin: '0 0 2px' },
  '.cm-diagnostic': { padding: '6px 10px' },
  '.cm-panels': {
    backgroundColor: 'var(--mantine-color-body)',
    color: 'var(--mantine-color-text)',
    borderColor: 'var(--mantine-color-default-border)',
  },
});

function paragraphs(lines: readonly string[], className = ''): HTMLElement {
  const place = document.createElement('div');
  place.className = className;
  for (const line of lines) {
    const paragraph = document.createElement('p');
    paragraph.textContent = line;
    place.append(paragraph);
  }
  return place;
}

function linesOf(text: Text): string[] {
  return text.toString().split('\n');
}

function proposed(context: CompletionContext): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const lines = linesOf(context.state.doc);
  const found = complete(lines, line.number, context.pos - line.from);
  if (!found || found.proposals.length === 0) return null;
  // An empty line says nothing by itself: only when asked.
  if (!context.explicit && line.text.trim() === '') return null;
  return {
    from: Math.min(line.from + found.from, context.pos),
    to: Math.max(line.from + found.to, context.pos),
    options: found.proposals.map(shown),
  };
}

function shown(proposal: Proposal): Completion {
  const { label, insert, kind, detail, help, boost, more } = proposal;
  return {
    label,
    detail,
    boost,
    type: kind === 'section' ? 'class' : kind === 'option' ? 'property' : 'constant',
    info: () => paragraphs(help),
    apply: (view, _completion, from, to) => {
      const rest = view.state.sliceDoc(from, to);
      // The value that is there stays when the option before it gets another name.
      const value = kind === 'option' && rest.includes('=') ? rest.slice(rest.indexOf('=') + 1) : '';
      view.dispatch({
        changes: { from, to, insert: insert + value },
        selection: { anchor: from + insert.length },
        userEvent: 'input.complete',
      });
      if (more) startCompletion(view);
    },
  };
}

const help = hoverTooltip((view, position) => {
  const line = view.state.doc.lineAt(position);
  const found = helpAt(linesOf(view.state.doc), line.number);
  if (!found) return null;
  return {
    pos: line.from,
    end: line.to,
    above: true,
    create: () => ({ dom: paragraphs([found.title, ...found.help], 'cm-help') }),
  };
});

/** Findings at their places. */
export function marks(findings: readonly Finding[], text: Text, file: string): Diagnostic[] {
  const lines = linesOf(text);
  return findings.flatMap((finding) => {
    const place = placeOf(finding, lines, file);
    if (!place) return [];
    const { from } = text.line(place.line);
    const message = finding.remedy ? `${finding.message}; ${finding.remedy}` : finding.message;
    return [{ from: from + place.from, to: from + place.to, severity: finding.severity, message }];
  });
}

/** All of it. */
export const language = [
  StreamLanguage.define(parser),
  syntaxHighlighting(colours),
  theme,
  autocompletion({ override: [proposed], icons: false }),
  help,
  // A suggestion is taken by Tab too; else Tab leaves the editor, since no line begins with blanks.
  keymap.of([{ key: 'Tab', run: acceptCompletion }]),
];
