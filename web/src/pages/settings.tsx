import { NumberInput, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Loaded, Page } from '@/components/page';
import { useReview } from '@/components/review';
import classes from './forms/forms.module.css';
import { FormFrame, useReadOnly } from './forms/frame';
import { FieldGroup } from './forms/group';
import { helpOf } from './forms/help';
import { Description, FieldInput } from './forms/inputs';
import { set } from './forms/path';
import { settings, settingsQuery } from './forms/resources';
import { SETTINGS_GROUPS } from './forms/settings-fields';
import { type Read, useDocument, useForm } from './forms/state';

export function SettingsPage() {
  const query = useQuery(settingsQuery);
  const { readOnly, banner } = useReadOnly();
  return (
    <Page title="Settings" lead="What holds for all integrations and all nodes.">
      {banner}
      <Loaded query={query}>{(read) => <SettingsForm read={read} readOnly={readOnly} />}</Loaded>
    </Page>
  );
}

function SettingsForm({ read, readOnly }: { read: Read; readOnly: boolean }) {
  const client = useQueryClient();
  const review = useReview();
  const navigate = useNavigate();
  const form = useDocument({
    kind: 'settings',
    read,
    fresh: false,
    readOnly,
    tryOut: ({ patch, tag }) => settings.change(patch, tag, { dry_run: true }),
    changedMeanwhile: () => void client.invalidateQueries({ queryKey: settingsQuery.queryKey }),
  });
  const submit = () =>
    review({
      message: 'change settings',
      writes: (draft) => settings.change(form.patch, form.base.tag, { draft }),
      applied: form.applied,
      kept: (draft) => navigate({ to: '/drafts/$id', params: { id: String(draft) }, ignoreBlocker: true }),
    });
  return (
    <FormFrame
      form={form}
      what="the settings"
      fields={SETTINGS_GROUPS.flatMap(({ fields }) => fields.map(({ path }) => path))}
      action="Review the change"
      onReview={submit}
    >
      {SETTINGS_GROUPS.map((group) => (
        <FieldGroup key={group.id} group={group}>
          {group.id === 'way' ? (
            <div className={classes.fields}>
              <ProxyFields />
              {group.fields
                .filter(({ input }) => input !== 'own')
                .map((field) => (
                  <div key={field.path} className={classes.wide}>
                    <FieldInput field={field} />
                  </div>
                ))}
            </div>
          ) : undefined}
        </FieldGroup>
      ))}
    </FormFrame>
  );
}

/** Host and port come and go together: without a host there is no proxy. */
function ProxyFields() {
  const form = useForm();
  const host = form.at('http_proxy.host');
  const port = form.at('http_proxy.port');
  const text = typeof host === 'string' ? host : '';
  return (
    <>
      <TextInput
        label="HTTP proxy"
        description={<Description help={helpOf('settings', 'main', 'http_proxy.host')} />}
        placeholder="none"
        value={text}
        onChange={(event) => {
          const next = event.currentTarget.value;
          const proxy = { host: next, port: typeof port === 'number' ? port : 80 };
          form.changeAll(
            (doc) => set(doc, 'http_proxy', next === '' ? undefined : proxy),
            ['http_proxy.host'],
          );
        }}
        onBlur={() => form.touch('http_proxy.host')}
        error={form.error('http_proxy.host')}
        readOnly={form.readOnly}
        autoComplete="off"
        spellCheck={false}
      />
      <NumberInput
        label="The proxy's port"
        description={<Description help={helpOf('settings', 'main', 'http_proxy.port')} />}
        value={typeof port === 'number' || typeof port === 'string' ? port : ''}
        onChange={(next) => text !== '' && form.change('http_proxy.port', next === '' ? undefined : next)}
        error={form.error('http_proxy.port')}
        readOnly={form.readOnly || text === ''}
        allowDecimal={false}
        allowNegative={false}
        clampBehavior="none"
        styles={{ wrapper: { maxWidth: 220 } }}
      />
    </>
  );
}
