/** Whether a page has changes that are nowhere but in it: those are not left without a question. */
let held = 0;

/** Says that there are some, until what it gives is called. */
export function holdUnsaved(): () => void {
  held += 1;
  let over = false;
  return () => {
    if (!over) held -= 1;
    over = true;
  };
}

export function hasUnsaved(): boolean {
  return held > 0;
}
