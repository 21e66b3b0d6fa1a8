import { Page } from '@/components/page';

export function WizardPage() {
  return <Page title="Wizard">{null}</Page>;
}
