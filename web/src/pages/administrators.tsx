/** Who may do what: people with a password here, and those whom a provider lets in. */
import { Tabs } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { UnsavedGuard } from '@/components/guard';
import { Page } from '@/components/page';
import { NeedsRole } from '@/components/role';
import { useSession } from '@/session';
import { People } from './administrators/people';
import { ProviderSettings } from './administrators/provider';

const LEAD = 'People who sign in to this dashboard and to the API, each with a role. Programs use tokens.';

export function AdministratorsPage() {
  const { may, role } = useSession();
  if (role && !may('admin')) {
    return (
      <Page title="Administrators" lead={LEAD}>
        <NeedsRole wanted="admin">Only administrators see and decide who signs in here, and how.</NeedsRole>
      </Page>
    );
  }
  return <Both />;
}

function Both() {
  const { view } = useSearch({ from: '/shell/administrators' });
  const navigate = useNavigate({ from: '/administrators' });
  const [dirty, setDirty] = useState(false);
  return (
    <Page title="Administrators" lead={LEAD}>
      <UnsavedGuard dirty={dirty} what="the provider’s settings" />
      <Tabs
        value={view === 'provider' ? 'provider' : 'people'}
        onChange={(next) =>
          void navigate({ search: next === 'provider' ? { view: 'provider' } : {}, resetScroll: false })
        }
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="people">People</Tabs.Tab>
          <Tabs.Tab value="provider">Sign-in through a provider</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="people">
          <People />
        </Tabs.Panel>
        <Tabs.Panel value="provider">
          <ProviderSettings setDirty={setDirty} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
