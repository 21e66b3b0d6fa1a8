import { Page } from '@/components/page';

export function SetupPage() {
  return <Page title="Setup">{null}</Page>;
}

export function InvitationPage() {
  return <Page title="Invitation">{null}</Page>;
}
