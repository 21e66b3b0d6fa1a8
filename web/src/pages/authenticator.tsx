import { Button, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { integrationsQuery } from '@/api/queries';
import { useConfirm } from '@/components/confirm';
import { TextLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { useReview } from '@/components/review';
import { authenticatorGroups, KIND_NAMES, newKind } from './forms/authenticator-fields';
import { isMissing, Missing, useNew, useStored } from './forms/document';
import { FormFrame, useReadOnly } from './forms/frame';
import { FieldGroup } from './forms/group';
import { NameField, VariantField } from './forms/identity';
import { authenticators } from './forms/resources';
import { type Form, type Read, useTyped } from './forms/state';

/** Whose passwords an authenticator checks; nothing while that is not known. */
function useUsers(id: string): string[] | undefined {
  const { data } = useQuery(integrationsQuery);
  return useMemo(
    () => data?.items.filter((one) => one.authenticator === id).map((one) => one.id),
    [data, id],
  );
}

export function NewAuthenticatorPage() {
  const { readOnly, banner } = useReadOnly();
  const navigate = useNavigate();
  const begin = useMemo<Read>(() => ({ doc: { id: '', kind: newKind('ad') }, tag: null }), []);
  const { form, submit } = useNew({
    kind: 'authenticator',
    begin,
    readOnly,
    make: authenticators.make,
    made: (id) => void navigate({ to: '/authenticators/$id', params: { id }, ignoreBlocker: true }),
  });
  return (
    <Page
      title="New authenticator"
      lead="Who checks passwords. It is not used until an integration names it."
    >
      {banner ?? <AuthenticatorForm form={form} what="this new authenticator" onReview={submit} />}
    </Page>
  );
}

export function AuthenticatorPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const query = useQuery(authenticators.query(id));
  const { readOnly, banner } = useReadOnly();
  const users = useUsers(id);
  const confirm = useConfirm();
  const review = useReview();
  const navigate = useNavigate();
  const remove = () =>
    confirm({
      title: `Remove authenticator ${id}?`,
      body: 'No integration uses it. You see the change before it is applied, and can go back to any earlier revision.',
      confirm: `Remove ${id}`,
      danger: true,
      action: () =>
        review({
          message: `remove authenticator ${id}`,
          writes: (draft) => authenticators.remove(id, { draft }),
          applied: () => navigate({ to: '/authenticators', ignoreBlocker: true }),
        }),
    });
  if (isMissing(query)) return <Missing what={`authenticator ${id}`} all="/authenticators" />;
  return (
    <Page
      title={id}
      lead="An authenticator: who checks passwords."
      actions={
        !readOnly && (
          <Button
            variant="default"
            onClick={remove}
            disabled={users?.length !== 0}
            aria-describedby={users?.length === 0 ? undefined : 'in-use'}
          >
            Remove
          </Button>
        )
      }
    >
      {banner}
      <UsedBy id={id} users={users} readOnly={readOnly} />
      <Loaded query={query}>{(read) => <Known key={id} id={id} read={read} readOnly={readOnly} />}</Loaded>
    </Page>
  );
}

function UsedBy({ id, users, readOnly }: { id: string; users: string[] | undefined; readOnly: boolean }) {
  return (
    <Text size="sm" id="in-use" component="div">
      {users === undefined ? (
        'It is not known yet which integrations use it.'
      ) : users.length === 0 ? (
        <>
          No integration uses it yet.{' '}
          {!readOnly && (
            <TextLink to="/integrations/-/new" search={{ authenticator: id }} size="sm" underline="always">
              New integration with it
            </TextLink>
          )}
        </>
      ) : (
        <>
          Checks the passwords of{' '}
          {users.map((user, index) => (
            <span key={user}>
              {index > 0 && ', '}
              <TextLink to="/integrations/$id" params={{ id: user }} size="sm" underline="always">
                {user}
              </TextLink>
            </span>
          ))}
          {!readOnly && ', so it cannot be removed'}.
        </>
      )}
    </Text>
  );
}

function Known({ id, read, readOnly }: { id: string; read: Read; readOnly: boolean }) {
  const { form, submit } = useStored({
    kind: 'authenticator',
    what: `authenticator ${id}`,
    read,
    readOnly,
    queryKey: authenticators.query(id).queryKey,
    change: (patch, tag, where) => authenticators.change(id, patch, tag, where),
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
  const typed = useTyped(form.base);
  const choose = (kind: string) => {
    typed.set(form.variant, form.values.kind);
    const was = form.base.doc.kind;
    const next = typed.get(kind) ?? (kind in asKinds(was) ? was : newKind(kind));
    form.changeAll((doc) => ({ ...doc, kind: next }), ['kind']);
  };
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
                onChange={choose}
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
