// @vitest-environment jsdom
import { screen } from '@testing-library/react';
import { useState } from 'react';
import { expect, test } from 'vitest';
import { gateway, show } from '@/test/render';
import type { Filter as LoginFilter } from '../logins/filter';
import { Filters as LoginFilters } from '../logins/filters';
import type { Filter } from './filter';
import { Filters } from './filters';

function OfAudit() {
  const [filter, setFilter] = useState<Filter>({ actor: 'admin nora', target: 'revision 7' });
  return <Filters filter={filter} entries={[]} onChange={setFilter} />;
}

function OfLogins() {
  const [filter, setFilter] = useState<LoginFilter>({ user: 'carol', reason: 'denied' });
  const set = (part: LoginFilter) =>
    setFilter((before) =>
      Object.fromEntries(Object.entries({ ...before, ...part }).filter(([, value]) => value)),
    );
  return <LoginFilters filter={filter} set={set} clear={() => setFilter({})} />;
}

test.each([
  ['the audit', <OfAudit key="audit" />],
  ['the logins', <OfLogins key="logins" />],
])('a filter of %s that is removed by key leaves the focus beside it', async (_, filters) => {
  gateway({});
  const { user } = show(filters);
  const [first] = screen.getAllByRole('button', { name: /^Remove the filter/ });
  first?.focus();
  await user.keyboard('{Enter}');
  expect(screen.getAllByRole('button', { name: /^Remove the filter/ })).toHaveLength(1);
  expect(document.activeElement?.textContent).toMatch(/^More filters/);
  screen.getByRole('button', { name: 'Remove all' }).focus();
  await user.keyboard('{Enter}');
  expect(screen.queryByRole('button', { name: /^Remove/ })).toBeNull();
  expect(document.activeElement?.textContent).toMatch(/^More filters/);
});
