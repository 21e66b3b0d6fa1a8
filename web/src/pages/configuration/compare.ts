/** Two texts, line by line. */

export interface Compared {
  kind: 'same' | 'removed' | 'added';
  text: string;
}

/** The most pairs of lines that are compared; beyond, a changed block is shown whole. */
const PAIRS = 4_000_000;

/** What became of the lines of `before` in `after`. */
export function compare(before: string, after: string): Compared[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail += 1;
  const same = (lines: string[]) => lines.map((text): Compared => ({ kind: 'same', text }));
  return [
    ...same(a.slice(0, head)),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(a.slice(a.length - tail)),
  ];
}

function middle(a: string[], b: string[]): Compared[] {
  const removed = (text: string): Compared => ({ kind: 'removed', text });
  const added = (text: string): Compared => ({ kind: 'added', text });
  if (a.length * b.length > PAIRS) return [...a.map(removed), ...b.map(added)];
  // How many lines are alike from here on.
  const width = b.length + 1;
  const alike = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => alike[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      alike[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const found: Compared[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      found.push({ kind: 'same', text: left });
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      found.push(removed(left));
      i += 1;
    } else if (right !== undefined) {
      found.push(added(right));
      j += 1;
    }
  }
  return found;
}
