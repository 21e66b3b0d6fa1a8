import { Page } from '@/components/page';

export function RevisionsPage() {
  return <Page title="Revisions">{null}</Page>;
}

export function RevisionPage() {
  return <Page title="Revision">{null}</Page>;
}
