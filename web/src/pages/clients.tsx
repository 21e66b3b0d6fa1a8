import { Page } from '@/components/page';

export function SeenClientsPage() {
  return <Page title="SeenClients">{null}</Page>;
}
