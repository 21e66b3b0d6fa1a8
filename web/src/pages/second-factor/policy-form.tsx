/** Makes a policy, or changes one: each field says something, or is inherited. */
import {
  Autocomplete,
  Checkbox,
  Group,
  NumberInput,
  Paper,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { FormModal } from '@/components/form-modal';
import {
  ALL_FACTORS,
  ALL_FIELDS,
  type Draft,
  draftOf,
  FACTORS,
  type Factor,
  FIELDS,
  type Field,
  faultsOf,
  inherited,
  MATCHING,
  NEW_USERS,
  policyOf,
  type Scope,
  type ScopedPolicy,
  whose,
} from './policy-words';
import { applicationsQuery, changed, groupsQuery } from './queries';

const options = (words: Record<string, string>) =>
  Object.entries(words).map(([value, label]) => ({ value, label }));

export function PolicyForm({
  opened,
  close,
  policy,
  all,
}: {
  opened: boolean;
  close: () => void;
  /** The one to change; none makes one. */
  policy: ScopedPolicy | null;
  all: readonly ScopedPolicy[];
}) {
  const client = useQueryClient();
  const applications = useQuery({ ...applicationsQuery, enabled: opened });
  const groups = useQuery({ ...groupsQuery, enabled: opened });
  const [scope, setScope] = useState<Scope>('group');
  const [name, setName] = useState('');
  const [rank, setRank] = useState<string | number>(100);
  const [draft, setDraft] = useState<Draft>(() => draftOf({}));
  const [fault, setFault] = useState<string | null>(null);
  const [told, setTold] = useState(false);
  useEffect(() => {
    if (!opened) return;
    setScope(policy?.scope ?? 'group');
    setName(policy?.name ?? '');
    setRank(policy?.rank ?? 100);
    setDraft(draftOf(policy?.policy ?? {}));
    setFault(null);
    setTold(false);
  }, [opened, policy]);

  const everybody = all.find((one) => one.scope === 'default')?.policy ?? {};
  const faults = told ? faultsOf(draft) : {};
  const change = (next: Partial<Draft>) => setDraft({ ...draft, ...next });

  const save = async () => {
    const wanted = name.trim();
    setTold(true);
    const taken = !policy && all.some((one) => one.scope === scope && same(one.name, wanted));
    const wrong =
      scope !== 'default' && !wanted
        ? `Name the ${scope}.`
        : taken
          ? `There is a policy of this ${scope} already: change that one.`
          : null;
    setFault(wrong);
    if (wrong || Object.keys(faultsOf(draft)).length > 0) return false;
    await put(scope, wanted, {
      policy: policyOf(draft),
      ...(scope === 'group' ? { rank: Number(rank) } : {}),
    });
    await changed(client);
    notifications.show({
      message: `The policy of ${whose({ scope, name: wanted })} holds from the next login on.`,
    });
    return true;
  };

  return (
    <FormModal
      opened={opened}
      close={close}
      title={policy ? `Policy of ${whose(policy)}` : 'Add a policy'}
      size="lg"
      submit="Save the policy"
      send={save}
    >
      {!policy && (
        <>
          <SegmentedControl
            aria-label="Whom it is for"
            data={[
              { value: 'group', label: 'a group' },
              { value: 'application', label: 'an application' },
            ]}
            value={scope}
            onChange={(value) => {
              setScope(value as Scope);
              setName('');
              setFault(null);
            }}
          />
          {scope === 'application' ? (
            <Select
              label="Application"
              description="Each stands for an integration with the built-in second factor."
              data={applications.data?.items.map((one) => one.name) ?? []}
              value={name || null}
              onChange={(value) => setName(value ?? '')}
              error={fault}
              nothingFoundMessage="No application has used the second factor yet."
            />
          ) : (
            <Autocomplete
              label="Group"
              description="Letter case is ignored. It may be there before anybody is in it."
              data={groups.data?.items.map((one) => one.name) ?? []}
              value={name}
              onChange={setName}
              error={fault}
              maxLength={128}
            />
          )}
        </>
      )}
      {scope === 'group' && (
        <NumberInput
          label="Rank"
          description="Of a user in several groups, the lowest goes first. 0 to 1,000."
          min={0}
          max={1_000}
          allowDecimal={false}
          value={rank}
          onChange={setRank}
        />
      )}
      {ALL_FIELDS.map((field) => (
        <OneField
          key={field}
          field={field}
          said={draft.said.includes(field)}
          onSaid={(said) =>
            change({
              said: said ? [...draft.said, field] : draft.said.filter((one) => one !== field),
            })
          }
          silent={inherited(field, scope, everybody)}
        >
          <Input field={field} draft={draft} change={change} error={faults[field]} />
        </OneField>
      ))}
    </FormModal>
  );
}

const same = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** A field: inherited, with what that is, or said here. */
function OneField({
  field,
  said,
  onSaid,
  silent,
  children,
}: {
  field: Field;
  said: boolean;
  onSaid: (said: boolean) => void;
  silent: string;
  children: ReactNode;
}) {
  return (
    <Paper withBorder radius="sm" p="sm">
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text size="sm" fw={600}>
          {FIELDS[field].label}
        </Text>
        <Switch
          size="sm"
          labelPosition="left"
          label={said ? 'set here' : 'inherits'}
          aria-label={`Set here: ${FIELDS[field].label}`}
          checked={said}
          onChange={(event) => onSaid(event.currentTarget.checked)}
        />
      </Group>
      {said ? (
        <Stack gap={4} mt={4}>
          {children}
        </Stack>
      ) : (
        <Text size="sm" c="dimmed">
          {silent}
        </Text>
      )}
    </Paper>
  );
}

function Input({
  field,
  draft,
  change,
  error,
}: {
  field: Field;
  draft: Draft;
  change: (next: Partial<Draft>) => void;
  error: string | undefined;
}) {
  const common = {
    'aria-label': FIELDS[field].label,
    description: FIELDS[field].about,
    error,
  };
  switch (field) {
    case 'allowed_factors':
      return (
        <Checkbox.Group
          {...common}
          value={draft.allowed_factors}
          onChange={(value) => change({ allowed_factors: value as Factor[] })}
        >
          <Group gap="sm" mt={6}>
            {ALL_FACTORS.map((factor) => (
              <Checkbox key={factor} value={factor} label={FACTORS[factor]} />
            ))}
          </Group>
        </Checkbox.Group>
      );
    case 'new_users':
      return (
        <Select
          {...common}
          data={options(NEW_USERS)}
          value={draft.new_users}
          onChange={(value) => value && change({ new_users: value as Schemas['NewUserPolicy'] })}
          allowDeselect={false}
        />
      );
    case 'number_matching':
      return (
        <Select
          {...common}
          data={options(MATCHING)}
          value={draft.number_matching}
          onChange={(value) => value && change({ number_matching: value as Schemas['NumberMatching'] })}
          allowDeselect={false}
        />
      );
    case 'exempt_networks':
      return (
        <Textarea
          {...common}
          placeholder="192.0.2.0/24"
          autosize
          minRows={2}
          maxRows={8}
          value={draft.exempt_networks}
          onChange={(event) => change({ exempt_networks: event.currentTarget.value })}
          spellCheck={false}
        />
      );
    default:
      return (
        <NumberInput
          {...common}
          allowDecimal={false}
          value={draft[field]}
          onChange={(value) => change({ [field]: String(value) })}
        />
      );
  }
}

function put(scope: Scope, name: string, body: Schemas['SetPolicy']): Promise<unknown> {
  switch (scope) {
    case 'default':
      return ask(api.PUT('/api/v1/second-factor/policies/default', { body }));
    case 'application':
      return ask(
        api.PUT('/api/v1/second-factor/policies/applications/{application}', {
          params: { path: { application: name } },
          body,
        }),
      );
    case 'group':
      return ask(
        api.PUT('/api/v1/second-factor/policies/groups/{group}', { params: { path: { group: name } }, body }),
      );
  }
}
