/** What holds for a user at an application, and which policy says so. */
import { Badge, Button, Group, Select, Stack, Table, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Loaded } from '@/components/page';
import { Cell, StackedTable, WholeCell } from '@/components/stacked';
import { plural } from '@/lib/format';
import { ALL_FIELDS, FIELDS, sourceWords, valueWords } from './policy-words';
import { applicationsQuery, effectiveQuery } from './queries';
import classes from './second-factor.module.css';
import { Section } from './section';

/** Asks for a user and an application. */
export function HoldsForUser() {
  const [typed, setTyped] = useState('');
  const [user, setUser] = useState('');
  const [application, setApplication] = useState<string | null>(null);
  return (
    <Section title="What holds for a user">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setUser(typed.trim());
        }}
      >
        <Group gap="sm" align="flex-end" mb="sm">
          <TextInput
            label="User"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
            className={classes.search}
          />
          <ApplicationSelect value={application} onChange={setApplication} />
          <Button type="submit" variant="default" disabled={!typed.trim()}>
            Show
          </Button>
        </Group>
      </form>
      {user && <Effective name={user} application={application} />}
    </Section>
  );
}

/** The first application is chosen where none is yet. */
function useApplication(chosen: string | null): { all: string[]; application: string } {
  const { data } = useQuery(applicationsQuery);
  const all = data?.items.map(({ name }) => name) ?? [];
  return { all, application: chosen ?? all[0] ?? '' };
}

export function ApplicationSelect({
  value,
  onChange,
}: {
  value: string | null;
  onChange: (application: string | null) => void;
}) {
  const { all, application } = useApplication(value);
  return (
    <Select
      label="Application"
      data={all}
      value={application || null}
      onChange={onChange}
      allowDeselect={false}
      className={classes.choice}
      placeholder="None has been used yet"
      disabled={all.length === 0}
    />
  );
}

export function Effective({ name, application: chosen }: { name: string; application: string | null }) {
  const { application } = useApplication(chosen);
  const query = useQuery(effectiveQuery(name, application));
  if (!application) {
    return (
      <Text size="sm" c="dimmed">
        No application has used the second factor yet.
      </Text>
    );
  }
  return (
    <Loaded query={query}>
      {({ policy, from, unanswered_pushes, number_matching_now }) => (
        <Stack gap="xs">
          <StackedTable label={`What holds for ${name}`} columns={['What', 'Holds', 'Said by']} dense>
            {ALL_FIELDS.map((field) => (
              <Table.Tr key={field}>
                <WholeCell>
                  <Text size="sm" fw={600}>
                    {FIELDS[field].label}
                  </Text>
                </WholeCell>
                <Cell of="Holds">{valueWords(field, policy) ?? 'as the application says'}</Cell>
                <Cell of="Said by">{sourceWords(from[field])}</Cell>
              </Table.Tr>
            ))}
          </StackedTable>
          <Group gap="xs">
            <Text size="sm">
              {unanswered_pushes === 0
                ? 'No push was left unapproved lately.'
                : `${plural(unanswered_pushes, 'push', 'pushes')} in a row that nobody approved.`}
            </Text>
            {number_matching_now && (
              <Badge variant="light" color="orange" tt="none">
                the next push needs a number
              </Badge>
            )}
          </Group>
        </Stack>
      )}
    </Loaded>
  );
}
