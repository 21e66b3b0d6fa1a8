import { Page } from '@/components/page';

export function SignInPage() {
  return <Page title="SignIn">{null}</Page>;
}
