// @vitest-environment jsdom
import { expect, it } from 'vitest';
import { keepFocus } from './focus';

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

it.each([
  ['a', 'b'],
  ['b', 'c'],
  ['c', 'b'],
])('with %s taken out the focus is at %s', async (taken, next) => {
  document.body.innerHTML = `<div data-list>${['a', 'b', 'c'].map((id) => `<button id="${id}" data-remove></button>`).join('')}<button id="add" data-add></button></div>`;
  const button = document.getElementById(taken) as HTMLElement;
  button.focus();
  keepFocus(button);
  button.remove();
  await frame();
  expect(document.activeElement?.id).toBe(next);
});

it('with nothing left it is at what adds another', async () => {
  document.body.innerHTML =
    '<div data-list><button id="a" data-remove></button><button id="add" data-add></button></div>';
  const button = document.getElementById('a') as HTMLElement;
  keepFocus(button);
  button.remove();
  await frame();
  expect(document.activeElement?.id).toBe('add');
});
