/** How series look: a colour for light and dark, and a pattern or a dash, so that colour is never all. */

export type Fill = 'solid' | 'diagonal' | 'dots' | 'cross';

export interface Look {
  light: string;
  dark: string;
  /** Of bars. */
  fill?: Fill;
  /** Of lines: lengths of dashes and gaps. */
  dash?: number[];
}

/** What is drawn over the tinted ground of a bar, in a square of this many pixels. */
export const PATTERN = 6;
export const PATTERNS: Record<Exclude<Fill, 'solid'>, string> = {
  diagonal: 'M-1 7 L7 -1 M-1 1 L1 -1 M5 7 L7 5',
  dots: 'M1.5 1.5 h1.5 v1.5 h-1.5 z M4.5 4.5 h1.5 v1.5 h-1.5 z',
  cross: 'M0 3 H6 M3 0 V6',
};
