import { Page } from '@/components/page';

export function NewAuthenticatorPage() {
  return <Page title="NewAuthenticator">{null}</Page>;
}

export function AuthenticatorPage() {
  return <Page title="Authenticator">{null}</Page>;
}
