import { Page } from '@/components/page';

export function NodesPage() {
  return <Page title="Nodes">{null}</Page>;
}

export function NodePage() {
  return <Page title="Node">{null}</Page>;
}
