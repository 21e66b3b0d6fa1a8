/** What went wrong, and what is let in again: narrowed in the address. */
import { Group, Select, Stack, Text } from '@mantine/core';
import { Find } from '@/components/find';
import { Incidents } from './incidents';
import { useFilters } from './list';
import { RememberedApprovals } from './remembered';
import { INCIDENT_WORDS, isIncidentKind } from './risk-words';
import classes from './second-factor.module.css';

export function RiskTab() {
  const { search, set } = useFilters();
  const kind = isIncidentKind(search.kind) ? search.kind : undefined;
  const user = search.user?.trim() || undefined;
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw="72ch">
        What somebody should look at: the newest 10,000 incidents are kept.
      </Text>
      <Group gap="sm" align="flex-end">
        <div className={classes.search}>
          <Find
            label="User"
            placeholder="The whole name"
            text={search.user ?? ''}
            found={(text) => set({ user: text })}
          />
        </div>
        <Select
          label="Kind"
          data={[
            { value: 'all', label: 'all' },
            ...Object.entries(INCIDENT_WORDS).map(([value, label]) => ({ value, label })),
          ]}
          value={kind ?? 'all'}
          onChange={(value) => set({ kind: value === 'all' || !value ? undefined : value })}
          allowDeselect={false}
          className={classes.choice}
        />
      </Group>
      <Incidents narrowed={{ user, kind }} />
      <RememberedApprovals user={user} />
    </Stack>
  );
}
