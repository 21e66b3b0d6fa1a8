import { Page } from '@/components/page';

export function NewIntegrationPage() {
  return <Page title="NewIntegration">{null}</Page>;
}

export function IntegrationPage() {
  return <Page title="Integration">{null}</Page>;
}
