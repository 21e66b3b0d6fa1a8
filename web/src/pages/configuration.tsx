import { Page } from '@/components/page';

export function ConfigurationPage() {
  return <Page title="Configuration">{null}</Page>;
}
