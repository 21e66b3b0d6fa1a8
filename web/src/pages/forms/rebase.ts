/** One's own changes on top of what somebody else made of the same document meanwhile. */
import { applyPatch, type Doc, isDoc, type Json, mergePatch, same, set } from './path';

export function rebase(base: Doc, mine: Doc, theirs: Doc): Doc {
  const made = applyPatch(theirs, mergePatch(base, mine)) as Doc;
  if (!Array.isArray(mine.clients) || same(base.clients, mine.clients)) return made;
  return set(made, 'clients', clients(base.clients, mine.clients, theirs.clients));
}

const addressOf = (one: Json) => (isDoc(one) ? String(one.address ?? '') : '');
const listOf = (value: Json) => (Array.isArray(value) ? value : []);

/** Lists are written whole, so clients that only they added or changed are taken along by their address. */
function clients(base: Json, mine: Json, theirs: Json): Json[] {
  const before = new Map(listOf(base).map((one) => [addressOf(one), one]));
  const own = new Map(listOf(mine).map((one) => [addressOf(one), one]));
  const kept = listOf(theirs)
    .filter((one) => own.has(addressOf(one)) || !before.has(addressOf(one)))
    .map((one) => {
      const address = addressOf(one);
      const ours = own.get(address);
      return ours !== undefined && !same(before.get(address), ours) ? ours : one;
    });
  const there = new Set(kept.map(addressOf));
  const added = listOf(mine).filter((one) => {
    const address = addressOf(one);
    if (there.has(address)) return false;
    // What they took out and nobody changed here stays out.
    return !before.has(address) || !same(before.get(address), one);
  });
  return [...kept, ...added];
}
