import { Page } from '@/components/page';

export function TryLoginPage() {
  return <Page title="TryLogin">{null}</Page>;
}
