import { Page } from '@/components/page';

export function DraftsPage() {
  return <Page title="Drafts">{null}</Page>;
}

export function DraftPage() {
  return <Page title="Draft">{null}</Page>;
}
