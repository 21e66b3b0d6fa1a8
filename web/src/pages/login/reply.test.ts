import { expect, it } from 'vitest';
import { readable } from './reply';

it.each([
  ['Passcode: ', 'Passcode:'],
  ['a\r\nb', 'a\nb'],
  [
    'Second factor for &lt;b&gt;<br><br>1. Tom &amp; Jerry&#39;s<br/>',
    "Second factor for <b>\n\n1. Tom & Jerry's",
  ],
  // What was escaped twice is turned back once.
  ['<br>&amp;lt;', '\n&lt;'],
  // Without a line end of a web page it is text already.
  ['1 &lt; 2', '1 &lt; 2'],
])('%j is read as %j', (reply, want) => expect(readable(reply)).toBe(want));
