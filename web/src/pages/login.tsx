import { Page } from '@/components/page';

export function LoginPage() {
  return <Page title="Login">{null}</Page>;
}
