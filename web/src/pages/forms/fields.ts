/** What a form consists of: groups of fields, each by its path in the document. */
import type { Doc } from './path';

export type Input =
  | 'text'
  | 'number'
  | 'switch'
  | 'words'
  | 'cards'
  | 'lines'
  | 'pem'
  | 'secret'
  | 'secret-pem'
  | 'hosts'
  | 'attribute'
  | 'attributes'
  | 'factors'
  | 'several'
  | 'authenticator'
  /** Shown by a piece of its own. */
  | 'own';

export interface Field {
  path: string;
  label: string;
  input: Input;
  /** Over both columns. */
  wide?: boolean;
  placeholder?: string;
  unit?: string;
  /** Names of the words to choose from; where there are none the word itself. */
  names?: Record<string, string>;
  /** What else is to be known here. */
  more?: string;
  /** A secret that a person need not know: it can be made here. */
  made?: boolean;
  /** What else goes with another value of it: of the document before and with it. Of `cards` alone. */
  along?: (before: Doc, after: Doc) => Doc;
  /** Shown only then. */
  when?: (doc: Doc) => boolean;
}

export interface Group {
  id: string;
  title: string;
  about: string;
  fields: Field[];
}
