import { Button, Group, Paper, PasswordInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { integrationsQuery, nodesQuery } from '@/api/queries';
import { ButtonLink } from '@/components/links';
import { ProblemAlert } from '@/components/problem';
import type { Typed } from './request';

/** Whom to log in, where, and as which device. */
export function TryForm({
  typed,
  setTyped,
  faults,
  busy,
  onSubmit,
}: {
  typed: Typed;
  setTyped: (typed: Typed) => void;
  faults: Partial<Record<keyof Typed, string>>;
  busy: boolean;
  onSubmit: (integration: string) => void;
}) {
  const integrations = useQuery(integrationsQuery);
  const nodes = useQuery(nodesQuery);
  const ids = integrations.data?.items.map((one) => one.id) ?? [];
  const names = nodes.data?.items.filter((one) => one.connected).map((one) => one.node) ?? [];
  const set = (part: Partial<Typed>) => setTyped({ ...typed, ...part });
  // Where there is one, there is nothing to choose.
  const only = ids.length === 1 ? ids[0] : undefined;
  const integration = typed.integration || only || '';
  return (
    <Paper
      component="form"
      withBorder
      p="md"
      onSubmit={(event: React.FormEvent) => {
        event.preventDefault();
        onSubmit(integration);
      }}
      autoComplete="off"
    >
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} spacing="sm" verticalSpacing="sm">
        <TextInput
          label="User"
          required
          value={typed.user}
          onChange={(event) => set({ user: event.currentTarget.value })}
          error={faults.user}
          maxLength={253}
          autoComplete="off"
          spellCheck={false}
        />
        <PasswordInput
          label="Password"
          description="Sent once and stored nowhere. A factor can be appended: password,push."
          value={typed.password}
          onChange={(event) => set({ password: event.currentTarget.value })}
          error={faults.password}
          maxLength={128}
          autoComplete="off"
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password' }}
        />
        <Select
          label="Integration"
          required
          placeholder={integrations.isPending ? 'is loaded' : 'choose one'}
          value={integration || null}
          onChange={(chosen) => set({ integration: chosen === null ? '' : String(chosen) })}
          data={integration && !ids.includes(integration) ? [...ids, integration] : ids}
          searchable
          nothingFoundMessage="There is no integration of this name"
          error={faults.integration}
        />
        <TextInput
          label="As which client"
          description="The address of one of the integration’s devices. Empty: none."
          placeholder="192.0.2.10"
          value={typed.client}
          onChange={(event) => set({ client: event.currentTarget.value })}
          error={faults.client}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          autoComplete="off"
          spellCheck={false}
        />
        <TextInput
          label="Calling station"
          description="Where the user is, as the device says it. Empty: nowhere."
          value={typed.calling_station}
          onChange={(event) => set({ calling_station: event.currentTarget.value })}
          error={faults.calling_station}
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          maxLength={253}
          autoComplete="off"
          spellCheck={false}
        />
        <Select
          label="Through which node"
          placeholder="any that serves"
          value={typed.node || null}
          onChange={(chosen) => set({ node: chosen === null ? '' : String(chosen) })}
          data={typed.node && !names.includes(typed.node) ? [...names, typed.node] : names}
          clearable
          clearButtonProps={{ 'aria-label': 'Any node' }}
          error={faults.node}
        />
      </SimpleGrid>
      <ProblemAlert error={integrations.error ?? nodes.error} />
      <Group mt="md" gap="xs">
        <Button type="submit" disabled={busy || typed.user === '' || integration === ''}>
          Log in
        </Button>
        {integrations.data && ids.length === 0 && (
          <ButtonLink to="/integrations/-/new" variant="default">
            Make an integration first
          </ButtonLink>
        )}
      </Group>
    </Paper>
  );
}
