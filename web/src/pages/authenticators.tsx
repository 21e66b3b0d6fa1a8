import { Page } from '@/components/page';

export function AuthenticatorsPage() {
  return <Page title="Authenticators">{null}</Page>;
}
