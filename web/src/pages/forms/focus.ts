/**
 * Where the focus is after something was taken out of a list by its button: at what took its place, else at
 * what stands before it, and with nothing left at what adds another. To be called before it is taken out; the
 * list has `data-list`, the buttons `data-remove` and `data-add`.
 */
export function keepFocus(button: HTMLElement): void {
  const list = button.closest<HTMLElement>('[data-list]');
  const buttons = () => [...(list?.querySelectorAll<HTMLElement>('[data-remove]') ?? [])];
  const at = buttons().indexOf(button);
  requestAnimationFrame(() => {
    const left = buttons();
    (left[at] ?? left.at(-1) ?? list?.querySelector<HTMLElement>('[data-add]'))?.focus();
  });
}
