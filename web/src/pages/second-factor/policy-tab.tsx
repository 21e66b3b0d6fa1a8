/** What is asked of whom: the policies, and what holds for one user. */
import { Button, Group, Stack, Table, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Pencil, Plus, RotateCcw, Trash2 } from 'lucide-react';
import { useRef, useState } from 'react';
import { api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { Loaded } from '@/components/page';
import { Actions, Cell, StackedTable, WholeCell } from '@/components/stacked';
import { unlessGone } from '@/lib/gone';
import { useSession } from '@/session';
import { HoldsForUser } from './effective';
import { PolicyForm } from './policy-form';
import { inOrder, type ScopedPolicy, says, whose } from './policy-words';
import { changed, policiesQuery } from './queries';

const NOTHING: ScopedPolicy = { scope: 'default', name: '', rank: 0, policy: {} };

export function PolicyTab() {
  const query = useQuery(policiesQuery);
  return <Loaded query={query}>{({ items }) => <Policies items={items} />}</Loaded>;
}

function Policies({ items }: { items: ScopedPolicy[] }) {
  const { may } = useSession();
  const client = useQueryClient();
  const confirm = useConfirm();
  const [opened, dialog] = useDisclosure();
  /** The one that is being changed; none while one is being made. */
  const [edited, setEdited] = useState<ScopedPolicy | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const everybody = items.find(({ scope }) => scope === 'default');
  const shown = inOrder(everybody ? items : [NOTHING, ...items]);

  const open = (policy: ScopedPolicy | null) => {
    setEdited(policy);
    dialog.open();
  };
  const remove = (policy: ScopedPolicy) =>
    confirm({
      title:
        policy.scope === 'default'
          ? 'Set everybody’s policy back?'
          : `Remove the policy of ${whose(policy)}?`,
      body:
        policy.scope === 'default'
          ? 'What is built in holds from now on, where no narrower policy says something.'
          : 'What the wider policies say holds from the next login on.',
      confirm: policy.scope === 'default' ? 'Set it back' : 'Remove the policy',
      danger: true,
      action: async () => {
        await gone(policy).catch(unlessGone);
        await changed(client);
        notifications.show({ message: `The policy of ${whose(policy)} is gone.` });
        place.current?.focus();
      },
    });

  return (
    <Stack gap="lg" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start" gap="sm">
          <Text size="sm" c="dimmed" maw="72ch">
            What a group’s policy says goes before what an application’s says, and that before everybody’s. Of
            a user in several groups, the lowest rank goes first. Field by field: what a policy is silent
            about, the next wider one decides.
          </Text>
          {may('admin') && (
            <Button onClick={() => open(null)} leftSection={<Plus size={16} aria-hidden />}>
              Add a policy
            </Button>
          )}
        </Group>
        <StackedTable label="Policies" columns={[['Of', 240], 'What it says']} actions>
          {shown.map((policy) => (
            <Row
              key={`${policy.scope} ${policy.name}`}
              policy={policy}
              {...(may('admin') ? { edit: () => open(policy) } : {})}
              {...(may('admin') && (policy.scope !== 'default' || everybody)
                ? { remove: () => remove(policy) }
                : {})}
            />
          ))}
        </StackedTable>
        {!may('admin') && (
          <Text size="sm" c="dimmed">
            Policies are changed by administrators.
          </Text>
        )}
      </Stack>
      <HoldsForUser />
      <PolicyForm opened={opened} close={dialog.close} policy={edited} all={items} />
    </Stack>
  );
}

function Row({ policy, edit, remove }: { policy: ScopedPolicy; edit?: () => void; remove?: () => void }) {
  const all = says(policy.policy);
  const of = whose(policy);
  return (
    <Table.Tr>
      <WholeCell>
        <Text size="sm" fw={600} className="wrap">
          {policy.scope === 'default' ? 'Everybody' : policy.name}
        </Text>
        <Text size="xs" c="dimmed">
          {policy.scope === 'default' && 'the default'}
          {policy.scope === 'application' && 'application'}
          {policy.scope === 'group' && `group, rank ${policy.rank}`}
        </Text>
      </WholeCell>
      <Cell of="What it says">
        {all.length === 0 ? (
          <Text size="sm" c="dimmed">
            {policy.scope === 'default'
              ? 'Nothing yet: what is built in holds.'
              : 'Nothing: all is inherited.'}
          </Text>
        ) : (
          <Stack gap={2}>
            {all.map(({ field, label, value }) => (
              <Text size="sm" key={field} className="wrap">
                <Text span c="dimmed" size="sm">
                  {label}:
                </Text>{' '}
                {value}
              </Text>
            ))}
          </Stack>
        )}
      </Cell>
      <Actions>
        <Group gap="xs" justify="flex-end" wrap="nowrap">
          {edit && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={edit}
              leftSection={<Pencil size={14} aria-hidden />}
              aria-label={`Change the policy of ${of}`}
            >
              Change
            </Button>
          )}
          {remove && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={remove}
              leftSection={
                policy.scope === 'default' ? (
                  <RotateCcw size={14} aria-hidden />
                ) : (
                  <Trash2 size={14} aria-hidden />
                )
              }
              aria-label={
                policy.scope === 'default' ? 'Set back the policy of everybody' : `Remove the policy of ${of}`
              }
            >
              {policy.scope === 'default' ? 'Set back' : 'Remove'}
            </Button>
          )}
        </Group>
      </Actions>
    </Table.Tr>
  );
}

function gone({ scope, name }: ScopedPolicy): Promise<unknown> {
  switch (scope) {
    case 'default':
      return ask(api.DELETE('/api/v1/second-factor/policies/default'));
    case 'application':
      return ask(
        api.DELETE('/api/v1/second-factor/policies/applications/{application}', {
          params: { path: { application: name } },
        }),
      );
    case 'group':
      return ask(
        api.DELETE('/api/v1/second-factor/policies/groups/{group}', { params: { path: { group: name } } }),
      );
  }
}
