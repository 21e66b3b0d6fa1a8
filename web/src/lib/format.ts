/** Numbers and times as people read them. */

const LOCAL = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const LOCAL_TIME = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

const LOCAL_DAY = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: '2-digit' });

/** The day alone, in the reader's zone: `22 Nov 2026`. */
export function localDay(ms: number): string {
  return LOCAL_DAY.format(ms);
}

/** In the reader's zone: `22 Nov 2026, 16:00:07`. */
export function localTime(ms: number): string {
  return LOCAL.format(ms);
}

/** The time of day alone, in the reader's zone: `16:00:07`. */
export function localClock(ms: number): string {
  return LOCAL_TIME.format(ms);
}

/** Exactly, in UTC: `2026-11-22T15:00:07.123Z`. */
export function utcTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A duration of microseconds: `420 µs`, `3.1 ms`, `5.01 s`, `2 min 5 s`. */
export function micros(us: number): string {
  if (us < 1_000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${trim(us / 1_000)} ms`;
  if (us < 60_000_000) return `${trim(us / 1_000_000)} s`;
  return seconds(Math.round(us / 1_000_000));
}

function trim(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** A span of seconds in its two largest units: `45 s`, `12 min`, `3 h 20 min`, `4 d 2 h`. */
export function seconds(total: number): string {
  const s = Math.max(0, Math.round(total));
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => s >= size);
  if (first < 0) return '0 s';
  const [name, size] = units[first] as [string, number];
  const rest = s % size;
  const next = units[first + 1];
  const lower = next && rest >= next[1] ? ` ${Math.floor(rest / next[1])} ${next[0]}` : '';
  return `${Math.floor(s / size)} ${name}${lower}`;
}

/** From now: `in 3 d 2 h`, `5 min ago`, `just now`. */
export function fromNow(ms: number, now: number): string {
  const away = (ms - now) / 1_000;
  if (Math.abs(away) < 2) return 'just now';
  return away > 0 ? `in ${seconds(away)}` : `${seconds(-away)} ago`;
}

const COUNT = new Intl.NumberFormat();
export function count(n: number): string {
  return COUNT.format(n);
}

/** `directory’s certificate` as a sentence or a heading begins with it. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `1 client`, `3 clients`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
