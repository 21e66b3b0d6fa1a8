import { Page } from '@/components/page';

export function AdministratorsPage() {
  return <Page title="Administrators">{null}</Page>;
}
