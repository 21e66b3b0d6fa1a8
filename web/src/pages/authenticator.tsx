import { Anchor, Button, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { integrationsQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { TextLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { useReview } from '@/components/review';
import { authenticatorGroups, KIND_NAMES, newKind } from './forms/authenticator-fields';
import { FormFrame, useReadOnly } from './forms/frame';
import { FieldGroup } from './forms/group';
import { NameField, VariantField } from './forms/identity';
import { authenticatorQuery, authenticators } from './forms/resources';
import { type Form, type Read, useDocument } from './forms/state';

/** Whose passwords an authenticator checks. */
export function useUsers(id: string): string[] {
  const { data } = useQuery(integrationsQuery);
  return useMemo(
    () => (data?.items ?? []).filter((one) => one.authenticator === id).map((one) => one.id),
    [data, id],
  );
}

export function NewAuthenticatorPage() {
  const { readOnly, banner } = useReadOnly();
  const review = useReview();
  const navigate = useNavigate();
  const begin = useMemo<Read>(() => ({ doc: { id: '', kind: newKind('ad') }, tag: null }), []);
  const form = useDocument({
    kind: 'authenticator',
    read: begin,
    fresh: true,
    readOnly,
    tryOut: ({ values }) => authenticators.make(values, { dry_run: true }),
  });
  const id = String(form.values.id ?? '');
  const submit = () =>
    review({
      message: `new authenticator ${id}`,
      writes: (draft) => authenticators.make(form.values, { draft }),
      applied: () => navigate({ to: '/authenticators/$id', params: { id }, ignoreBlocker: true }),
      kept: (draft) => navigate({ to: '/drafts/$id', params: { id: String(draft) }, ignoreBlocker: true }),
    });
  return (
    <Page
      title="New authenticator"
      lead="Who checks passwords. Integrations name it; nothing uses it before."
    >
      {banner ?? <AuthenticatorForm form={form} what="this new authenticator" onReview={submit} />}
    </Page>
  );
}

export function AuthenticatorPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const query = useQuery(authenticatorQuery(id));
  const { readOnly, banner } = useReadOnly();
  const users = useUsers(id);
  const confirm = useConfirm();
  const review = useReview();
  const navigate = useNavigate();
  const remove = () =>
    confirm({
      title: `Remove authenticator ${id}?`,
      body: 'No integration uses it. You see the change before it is applied, and every revision can be gone back to.',
      confirm: `Remove ${id}`,
      danger: true,
      action: () =>
        review({
          message: `remove authenticator ${id}`,
          writes: (draft) => authenticators.remove({ id }, { draft }),
          applied: () => navigate({ to: '/authenticators', ignoreBlocker: true }),
        }),
    });
  return (
    <Page
      title={id}
      lead="An authenticator: who checks passwords."
      actions={
        !readOnly && (
          <Button
            variant="default"
            onClick={remove}
            disabled={users.length > 0}
            aria-describedby={users.length > 0 ? 'in-use' : undefined}
          >
            Remove
          </Button>
        )
      }
    >
      {banner}
      <Text size="sm" id="in-use" component="div">
        {users.length === 0 ? (
          <>
            No integration uses it yet.{' '}
            <TextLink to="/integrations/new" search={{ authenticator: id }} size="sm" underline="always">
              New integration with it
            </TextLink>
          </>
        ) : (
          <>
            Checks the passwords of{' '}
            {users.map((user, index) => (
              <span key={user}>
                {index > 0 && ', '}
                <Anchor
                  component={Link}
                  to={`/integrations/${encodeURIComponent(user)}`}
                  size="sm"
                  underline="always"
                >
                  {user}
                </Anchor>
              </span>
            ))}
            {!readOnly && ', so it cannot be removed'}.
          </>
        )}
      </Text>
      <Loaded query={query}>{(read) => <Known key={id} id={id} read={read} readOnly={readOnly} />}</Loaded>
    </Page>
  );
}

function Known({ id, read, readOnly }: { id: string; read: Read; readOnly: boolean }) {
  const client = useQueryClient();
  const review = useReview();
  const navigate = useNavigate();
  const form = useDocument({
    kind: 'authenticator',
    read,
    fresh: false,
    readOnly,
    tryOut: ({ patch, tag }) => authenticators.change({ id }, patch, tag, { dry_run: true }),
    changedMeanwhile: () => void client.invalidateQueries({ queryKey: authenticatorQuery(id).queryKey }),
  });
  const submit = () =>
    review({
      message: `change authenticator ${id}`,
      writes: (draft) => authenticators.change({ id }, form.patch, form.base.tag, { draft }),
      applied: form.applied,
      kept: (draft) => navigate({ to: '/drafts/$id', params: { id: String(draft) }, ignoreBlocker: true }),
    });
  return <AuthenticatorForm form={form} what={id} onReview={submit} />;
}

function AuthenticatorForm({
  form,
  what,
  onReview,
}: {
  form: Form;
  what: string;
  onReview: () => Promise<unknown>;
}) {
  const groups = authenticatorGroups(form.variant);
  return (
    <FormFrame
      form={form}
      what={what}
      fields={groups
        .flatMap(({ fields }) => fields.map(({ path }) => path))
        .filter((path) => path !== 'kind')}
      action={form.fresh ? 'Review and create' : 'Review the change'}
      onReview={onReview}
    >
      {groups.map((group) => (
        <FieldGroup key={group.id} group={group}>
          {group.id === 'identity' ? (
            <>
              <NameField placeholder="directory" />
              <VariantField
                label="Kind"
                names={KIND_NAMES}
                value={form.variant}
                error={null}
                onChange={(kind) =>
                  form.changeAll(
                    (doc) => ({
                      ...doc,
                      kind: kind in asKinds(form.base.doc.kind) ? form.base.doc.kind : newKind(kind),
                    }),
                    ['kind'],
                  )
                }
              />
            </>
          ) : undefined}
        </FieldGroup>
      ))}
    </FormFrame>
  );
}

/** The kind that a document has, as the key of an object. */
function asKinds(kind: unknown): object {
  return typeof kind === 'object' && kind !== null ? kind : {};
}
