import {
  Alert,
  Button,
  Checkbox,
  Group,
  PasswordInput,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { type ChangeEvent, type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiError, api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { CopyBlock } from '@/components/copy';
import { ProblemAlert } from '@/components/problem';
import { faultsOf } from '@/lib/faults';
import { useSession } from '@/session';
import { callbackOf, draftOf, fieldOf, type ProviderDraft, writeOf } from './draft';
import { Grants } from './grants';
import { type Provider, providerQuery } from './queries';

const FIELDS = [
  'issuer',
  'client_id',
  'client_secret',
  'public_url',
  'scopes',
  'groups_claim',
  'ca_certs',
  'roles',
];

/** What is typed in one line, or in several. */
type TextField = 'issuer' | 'public_url' | 'client_id' | 'client_secret' | 'groups_claim' | 'ca_certs';

export function ProviderForm({
  found,
  setDirty,
  saved,
  cancel,
}: {
  found: { provider: Provider; tag: string } | null;
  setDirty: (dirty: boolean) => void;
  /** Called when it is saved, and what is kept was read again: the form begins anew. */
  saved: () => void;
  cancel: () => void;
}) {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { caller } = useSession();
  const [begun] = useState(() => draftOf(found?.provider ?? null, window.location.origin));
  const [draft, setDraft] = useState(begun);
  const [busy, setBusy] = useState<'test' | 'save' | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [answered, setAnswered] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const dirty = JSON.stringify(draft) !== JSON.stringify(begun);
  useEffect(() => {
    setDirty(dirty);
    return () => setDirty(false);
  }, [dirty, setDirty]);

  useEffect(() => {
    // To the first field that is wrong: it says so by now.
    if (error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [error]);

  const set = (part: Partial<ProviderDraft>) => {
    setDraft((before) => ({ ...before, ...part }));
    setAnswered(false);
  };
  const put = (dry: boolean) =>
    ask(
      api.PUT('/api/v1/oidc', {
        params: {
          query: dry ? { dry_run: true } : {},
          header: found ? { 'If-Match': found.tag } : { 'If-None-Match': '*' },
        },
        body: writeOf(draft),
      }),
    );
  const run = async (what: 'test' | 'save') => {
    if (busy) return;
    setBusy(what);
    setError(null);
    setAnswered(false);
    try {
      await put(what === 'test');
      if (what === 'test') setAnswered(true);
      else {
        setDirty(false);
        notifications.show({ message: `Administrators can sign in at ${draft.issuer.trim()} now.` });
        await client.invalidateQueries({ queryKey: providerQuery.queryKey });
        saved();
      }
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(null);
    }
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (!caller.startsWith('oidc ')) {
      void run('save');
      return;
    }
    confirm({
      title: 'Change the provider that you signed in at?',
      body: 'Whoever signed in there is signed out, and so are you. If the settings are wrong, you cannot sign in that way again.',
      confirm: 'Change the provider',
      danger: true,
      action: () => run('save'),
    });
  };

  const shown = faultsOf(error, (path) => FIELDS.includes(fieldOf(path).replace(/\[.*$/, '')));
  const faults = Object.fromEntries(Object.entries(shown.at).map(([path, text]) => [fieldOf(path), text]));
  const field = (name: TextField) => ({
    value: draft[name],
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      set({ [name]: event.currentTarget.value }),
    error: faults[name],
    autoComplete: 'off',
    spellCheck: false,
  });
  const kept = found?.provider.client_secret;
  return (
    <form ref={form} onSubmit={save}>
      <Stack gap="md">
        <TextInput
          label="Issuer"
          description="Exactly as the provider writes it. Its settings are read from /.well-known/openid-configuration below it."
          placeholder="https://idp.example.com/realms/staff"
          required
          {...field('issuer')}
        />
        <TextInput
          label="Address of this gateway"
          description="How browsers reach it, without a path."
          required
          {...field('public_url')}
        />
        <div>
          <Text size="sm" fw={500}>
            Enter this at the provider as the redirect URI
          </Text>
          <CopyBlock text={callbackOf(draft.public_url)} label="Redirect URI" />
        </div>
        <TextInput
          label="Client ID"
          description="What this gateway is called at the provider."
          required
          {...field('client_id')}
        />
        <PasswordInput
          label="Client secret"
          description={
            kept
              ? `One is kept (fingerprint ${kept.fingerprint.slice(0, 8)}…). Leave empty to keep it. For another issuer or other authorities it has to be entered again.`
              : 'What this gateway proves itself with there. It is sealed, and never shown again.'
          }
          {...field('client_secret')}
          disabled={draft.isPublic}
          required={!draft.isPublic && !kept}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': 'Show the client secret' }}
        />
        <Checkbox
          label="A public client: it has no secret"
          checked={draft.isPublic}
          onChange={(event) => set({ isPublic: event.currentTarget.checked })}
        />
        <Grants grants={draft.roles} onChange={(roles) => set({ roles })} faults={faults} />
        <TextInput
          label="Groups claim"
          description="The claim of the ID token that lists somebody’s groups."
          required
          {...field('groups_claim')}
        />
        <TagsInput
          label="Scopes"
          description="What is asked for; must include openid. Press Enter to add one."
          value={draft.scopes}
          onChange={(scopes) => set({ scopes })}
          error={faults.scopes}
          splitChars={[',', ' ']}
        />
        <Textarea
          label="Authorities"
          description="In PEM: the only authorities that may sign the provider’s certificate. Empty: those of the system."
          placeholder="-----BEGIN CERTIFICATE-----"
          {...field('ca_certs')}
          autosize
          minRows={2}
          maxRows={12}
          classNames={{ input: 'mono' }}
        />
        {error instanceof ApiError && error.kind === 'changed' ? (
          <Alert color="orange" title="Somebody else has changed it in the meantime" role="alert">
            <Group gap="sm">
              <Text size="sm">Load what is there now; what you typed will be lost.</Text>
              <Button
                size="compact-sm"
                variant="default"
                onClick={() => client.invalidateQueries({ queryKey: providerQuery.queryKey })}
              >
                Load it
              </Button>
            </Group>
          </Alert>
        ) : (
          <ProblemAlert error={shown.rest} />
        )}
        <div aria-live="polite">
          {answered && (
            <Alert color="green" icon={<CircleCheck size={18} aria-hidden />} title="The provider answers">
              <Text size="sm">
                It names the same issuer, and has what is needed to sign in. Nothing has been changed yet.
                Client ID and secret are only proven when somebody signs in.
              </Text>
            </Alert>
          )}
        </div>
        <Text size="sm" c="dimmed">
          {found ? 'Any change signs out whoever signed in at the provider. ' : ''}
          The gateway connects to the provider directly, over TLS, and not through the outbound proxy.
        </Text>
        <Group justify="flex-end" gap="xs">
          {!found && (
            <Button variant="default" onClick={cancel} disabled={busy !== null}>
              Cancel
            </Button>
          )}
          <Button
            variant="default"
            onClick={() => run('test')}
            loading={busy === 'test'}
            disabled={busy !== null}
          >
            Test
          </Button>
          <Button
            type="submit"
            loading={busy === 'save'}
            disabled={busy !== null || (found !== null && !dirty)}
          >
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
