import { Page } from '@/components/page';

export function LoginsPage() {
  return <Page title="Logins">{null}</Page>;
}
