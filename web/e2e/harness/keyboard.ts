/** Going through a page by keyboard alone. */

import { expect, type Locator, type Page } from '@playwright/test';

type Role = Parameters<Page['getByRole']>[0];

/** How far around an element its focus may be seen, in CSS pixels. */
const AROUND = 8;

/**
 * Presses Tab until this element has the focus, and fails where it has it not within so many, or
 * nobody could see that it has it.
 */
export async function tabTo(page: Page, role: Role, name: string | RegExp, within = 60): Promise<Locator> {
  const wanted = page.getByRole(role, { name });
  await tabToElement(page, wanted, within);
  return wanted;
}

/** The same for any locator of one element. */
export async function tabToElement(page: Page, wanted: Locator, within = 60): Promise<void> {
  await expect(wanted).toHaveCount(1);
  const passed: string[] = [];
  for (let presses = 0; presses <= within; presses += 1) {
    if (await hasFocus(wanted)) {
      await expectFocusRing(page, wanted);
      return;
    }
    await page.keyboard.press('Tab');
    passed.push(await page.evaluate(focused));
  }
  throw new Error(
    `${wanted} has no focus after ${within} times Tab, which went to:\n  ${passed.join('\n  ')}`,
  );
}

/** Fails where an element that has the focus looks as it does without. */
export async function expectFocusRing(page: Page, element: Locator): Promise<void> {
  expect(await hasFocus(element), `${element} has the focus`).toBe(true);
  const outlined = await element.evaluate((node) => {
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(node);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 && outlineColor !== 'transparent';
  });
  if (outlined) {
    return;
  }
  // Rings may be of other kinds, and of other elements: what counts is what is seen.
  const box = await element.boundingBox();
  if (!box) {
    throw new Error(`${element} has the focus and is not to be seen`);
  }
  const clip = {
    x: Math.max(0, box.x - AROUND),
    y: Math.max(0, box.y - AROUND),
    width: box.width + 2 * AROUND,
    height: box.height + 2 * AROUND,
  };
  const picture = () => page.screenshot({ clip, animations: 'disabled', caret: 'hide' });
  const focusedPicture = await picture();
  await element.evaluate((node: HTMLElement) => node.blur());
  const plain = await picture();
  await element.evaluate((node: HTMLElement) => node.focus());
  expect(focusedPicture.equals(plain), `the focus of ${element} is not to be seen`).toBe(false);
}

function hasFocus(element: Locator): Promise<boolean> {
  return element.evaluate((node) => node === document.activeElement);
}

/** In the page: what has the focus, for people. */
function focused(): string {
  const element = document.activeElement;
  const text = element?.getAttribute('aria-label') ?? element?.textContent ?? '';
  return `${element?.tagName.toLowerCase()} ${text.trim().slice(0, 60)}`;
}
