import { Page } from '@/components/page';

export function SecondFactorPage() {
  return <Page title="SecondFactor">{null}</Page>;
}
