import { Page } from '@/components/page';

export function SecondFactorUserPage() {
  return <Page title="SecondFactorUser">{null}</Page>;
}
