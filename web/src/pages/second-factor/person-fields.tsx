/** What is known of a person beside the name they log in with. */
import { SimpleGrid, TagsInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useSession } from '@/session';
import { groupsQuery } from './queries';

export interface Person {
  full_name: string;
  email: string;
  aliases: string[];
  groups: string[];
}

export const NOTHING: Person = { full_name: '', email: '', aliases: [], groups: [] };

export function trimmed({ full_name, email, aliases, groups }: Person): Person {
  return { full_name: full_name.trim(), email: email.trim(), aliases, groups };
}

/** Only what is said: an operator may not say most of it. */
export function saidOf(person: Person): Partial<Person> {
  return Object.fromEntries(Object.entries(trimmed(person)).filter(([, value]) => value.length > 0));
}

/** Whether nothing is said: what is refused is the name then. */
export function isBarely({ full_name, email, aliases, groups }: Person): boolean {
  return !full_name.trim() && !email.trim() && aliases.length === 0 && groups.length === 0;
}

export function PersonFields({ value, onChange }: { value: Person; onChange: (value: Person) => void }) {
  const groups = useQuery(groupsQuery);
  const { may } = useSession();
  if (!may('admin')) {
    return (
      <TextInput
        label="Full name"
        description="The e-mail address, aliases and groups are for administrators."
        value={value.full_name}
        onChange={(event) => onChange({ ...value, full_name: event.currentTarget.value })}
        maxLength={256}
        autoComplete="off"
      />
    );
  }
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <TextInput
          label="Full name"
          value={value.full_name}
          onChange={(event) => onChange({ ...value, full_name: event.currentTarget.value })}
          maxLength={256}
          autoComplete="off"
        />
        <TextInput
          label="E-mail"
          type="email"
          value={value.email}
          onChange={(event) => onChange({ ...value, email: event.currentTarget.value })}
          maxLength={254}
          autoComplete="off"
        />
      </SimpleGrid>
      <TagsInput
        label="Aliases"
        description="Other names this person logs in with. Enter after each."
        value={value.aliases}
        onChange={(aliases) => onChange({ ...value, aliases })}
        maxTags={20}
        splitChars={[',', ';']}
        acceptValueOnBlur
      />
      <TagsInput
        label="Groups"
        description="Policies are for them. A new name makes a new group."
        data={groups.data?.items.map(({ name }) => name) ?? []}
        value={value.groups}
        onChange={(chosen) => onChange({ ...value, groups: chosen })}
        maxTags={100}
        splitChars={[',', ';']}
        acceptValueOnBlur
      />
    </>
  );
}
