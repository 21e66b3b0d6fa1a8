/** The pages of docs/src/devices as they are written, by file name. One chunk, loaded when it is wanted. */
export const PAGES = import.meta.glob<string>(
  ['../../../docs/src/devices/*.md', '!../../../docs/src/devices/index.md'],
  { query: '?raw', import: 'default', eager: true },
);
