import { Page } from '@/components/page';

export function IntegrationsPage() {
  return <Page title="Integrations">{null}</Page>;
}
