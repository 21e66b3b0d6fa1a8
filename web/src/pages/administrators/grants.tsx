import { ActionIcon, Button, Fieldset, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { Plus, X } from 'lucide-react';
import { useRef } from 'react';
import { ROLES } from '@/components/role';
import type { Faults } from '@/lib/faults';
import type { GrantDraft } from './draft';

const BY = [
  { value: 'group', label: 'Group' },
  { value: 'email', label: 'E-mail address' },
];

/** Who gets which role: by group, or by address. */
export function Grants({
  grants,
  onChange,
  faults,
}: {
  grants: readonly GrantDraft[];
  onChange: (grants: GrantDraft[]) => void;
  faults: Faults;
}) {
  const add = useRef<HTMLButtonElement>(null);
  const change = (key: number, part: Partial<GrantDraft>) =>
    onChange(grants.map((one) => (one.key === key ? { ...one, ...part } : one)));
  return (
    <Fieldset legend="Who may do what">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          If several lines match somebody, the highest role counts. Anybody no line matches is not let in. An
          address counts only if the provider says that it is verified.
        </Text>
        {grants.length === 0 && <Text size="sm">Nobody is let in by the provider yet.</Text>}
        {grants.map((grant, index) => {
          const line = `line ${index + 1}`;
          return (
            <Group key={grant.key} gap="xs" align="flex-start" role="group" aria-label={`Role, ${line}`}>
              <Select
                aria-label={`By what, ${line}`}
                data={BY}
                value={grant.by}
                allowDeselect={false}
                onChange={(by) => change(grant.key, { by: by === 'email' ? 'email' : 'group' })}
                w={150}
              />
              <TextInput
                aria-label={`${grant.by === 'group' ? 'Group' : 'E-mail address'}, ${line}`}
                placeholder={grant.by === 'group' ? 'netops' : 'alice@example.com'}
                value={grant.who}
                onChange={(event) => change(grant.key, { who: event.currentTarget.value })}
                error={faults[`roles[${index}]`]}
                style={{ flex: '1 1 180px' }}
                required
              />
              <Select
                aria-label={`Role, ${line}`}
                data={ROLES.map(({ role }) => role)}
                value={grant.role}
                allowDeselect={false}
                onChange={(chosen) => {
                  const known = ROLES.find(({ role }) => role === chosen);
                  if (known) change(grant.key, { role: known.role });
                }}
                w={120}
              />
              <ActionIcon
                variant="default"
                size={36}
                aria-label={`Remove ${line}${grant.who ? `: ${grant.who}` : ''}`}
                onClick={() => {
                  onChange(grants.filter(({ key }) => key !== grant.key));
                  add.current?.focus();
                }}
              >
                <X size={16} aria-hidden />
              </ActionIcon>
            </Group>
          );
        })}
        {faults.roles && (
          <Text size="sm" c="var(--mantine-color-error)">
            {faults.roles}
          </Text>
        )}
        <Button
          ref={add}
          variant="default"
          size="compact-sm"
          leftSection={<Plus size={14} aria-hidden />}
          style={{ alignSelf: 'flex-start' }}
          onClick={() => {
            const key = Math.max(-1, ...grants.map((one) => one.key)) + 1;
            onChange([...grants, { key, by: 'group', who: '', role: 'viewer' }]);
          }}
        >
          Add a line
        </Button>
      </Stack>
    </Fieldset>
  );
}
