/** Whether people with a screen reader, without a mouse or with weak eyes can use a page. */

import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Fails with a list where axe finds anything serious or critical on the page as it is now. */
export async function expectNoSeriousAxe(page: Page): Promise<void> {
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
