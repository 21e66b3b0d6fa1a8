/** Whether people with a screen reader, without a mouse or with weak eyes can use a page. */

import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Waits until the page wears the scheme that was chosen on it, or else that the browser prefers,
 * and nothing on it fades or moves: what axe reads in the middle of a change is half of either.
 */
async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const worn = document.documentElement.dataset.mantineColorScheme;
    if (worn === undefined) return true;
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const chosen = localStorage.getItem('mantine-color-scheme-value') ?? 'auto';
    const wanted = chosen === 'auto' ? (dark ? 'dark' : 'light') : chosen;
    const finite = document
      .getAnimations()
      .some(
        (animation) =>
          animation.playState === 'running' &&
          animation.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY,
      );
    return worn === wanted && !finite;
  });
  // Frames after the change: every style is worked out anew by the second.
  await page.evaluate(
    () => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
  );
}

/** Fails with a list where axe finds anything serious or critical on the page as it is now. */
export async function expectNoSeriousAxe(page: Page): Promise<void> {
  await settled(page);
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const list = serious.map(({ id, impact, help, helpUrl, nodes }) => {
    const where = nodes.map(
      (node) =>
        `    ${node.target.join(' ')}\n      ${node.html.slice(0, 200)}\n      ${node.failureSummary}`,
    );
    return `${id} (${impact}): ${help}\n  ${helpUrl}\n${where.join('\n')}`;
  });
  expect(list, `axe on ${page.url()}:\n${list.join('\n')}`).toEqual([]);
}
