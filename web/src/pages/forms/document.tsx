/** Forms of documents with the way from them through the review, of one that there is and of a new one. */
import { Anchor } from '@mantine/core';
import { type UseQueryResult, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { SearchX } from 'lucide-react';
import { ApiError } from '@/api/client';
import { Empty } from '@/components/empty';
import { Page } from '@/components/page';
import { useReview } from '@/components/review';
import type { Kind } from './help';
import type { Json } from './path';
import type { Named, Where } from './resources';
import { type Read, useDocument } from './state';

/** Where a change that was kept for later is found. */
function useToDraft() {
  const navigate = useNavigate();
  return (draft: number) =>
    void navigate({ to: '/drafts/$id', params: { id: String(draft) }, ignoreBlocker: true });
}

/** The form of what there is. */
export function useStored({
  kind,
  what,
  read,
  readOnly,
  queryKey,
  change,
}: {
  kind: Kind;
  /** Names it in the revision: `integration vpn`. */
  what: string;
  read: Read;
  readOnly: boolean;
  /** What is asked again when somebody else changed it. */
  queryKey: readonly unknown[];
  change: (patch: Json, tag: string | null, where: Where) => Promise<unknown>;
}) {
  const client = useQueryClient();
  const review = useReview();
  const kept = useToDraft();
  const form = useDocument({
    kind,
    read,
    fresh: false,
    readOnly,
    tryOut: ({ patch, tag }) => change(patch, tag, { dry_run: true }),
    changedMeanwhile: () => void client.invalidateQueries({ queryKey }),
  });
  const submit = () =>
    review({
      message: `change ${what}`,
      writes: (draft) => change(form.patch, form.base.tag, { draft }),
      applied: form.applied,
      kept,
    });
  return { form, submit };
}

/** The form of a new one; where it is found when it was made, `made` says. */
export function useNew({
  kind,
  begin,
  readOnly,
  make,
  made,
}: {
  kind: Kind;
  begin: Read;
  readOnly: boolean;
  make: Named['make'];
  made: (id: string) => void;
}) {
  const review = useReview();
  const kept = useToDraft();
  const form = useDocument({
    kind,
    read: begin,
    fresh: true,
    readOnly,
    tryOut: ({ values }) => make(values, { dry_run: true }),
  });
  const id = String(form.values.id ?? '');
  const submit = () =>
    review({
      message: `new ${kind} ${id}`,
      writes: (draft) => make(form.values, { draft }),
      applied: () => made(id),
      kept,
    });
  return { form, submit };
}

/** Whether the API says that there is none. */
export function isMissing({ data, error }: Pick<UseQueryResult<unknown>, 'data' | 'error'>): boolean {
  return data === undefined && error instanceof ApiError && error.status === 404;
}

/** In the place of a page of something that there is not. */
export function Missing({ what, all }: { what: string; all: '/integrations' | '/authenticators' }) {
  return (
    <Page title={`No ${what}`}>
      <Empty
        icon={SearchX}
        title={`There is no ${what}`}
        action={
          <Anchor component={Link} to={all}>
            To the {all.slice(1)}
          </Anchor>
        }
      >
        It was removed, or never had this name. If it was removed, an earlier revision still has it.
      </Empty>
    </Page>
  );
}
