import { NumberInput, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useRef } from 'react';
import { Loaded, Page } from '@/components/page';
import { useStored } from './forms/document';
import classes from './forms/forms.module.css';
import { FormFrame, useReadOnly } from './forms/frame';
import { FieldGroup } from './forms/group';
import { helpOf } from './forms/help';
import { Description, FieldInput } from './forms/inputs';
import { set } from './forms/path';
import { ReadText } from './forms/read-field';
import { settings, settingsQuery } from './forms/resources';
import { SETTINGS_GROUPS } from './forms/settings-fields';
import { type Read, useForm } from './forms/state';

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
  const { form, submit } = useStored({
    kind: 'settings',
    what: 'settings',
    read,
    readOnly,
    queryKey: settingsQuery.queryKey,
    change: settings.change,
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
  // It stays while another host is typed in the place of the one before.
  const last = useRef(80);
  if (typeof port === 'number') last.current = port;
  if (form.readOnly) {
    return (
      <>
        <ReadText
          label="HTTP proxy"
          description={<Description help={helpOf('settings', 'main', 'http_proxy.host')} />}
        >
          {text === '' ? 'none' : text}
        </ReadText>
        {text !== '' && (
          <ReadText
            label="The proxy's port"
            description={<Description help={helpOf('settings', 'main', 'http_proxy.port')} />}
          >
            {String(port ?? '')}
          </ReadText>
        )}
      </>
    );
  }
  return (
    <>
      <TextInput
        label="HTTP proxy"
        description={<Description help={helpOf('settings', 'main', 'http_proxy.host')} />}
        placeholder="none"
        value={text}
        onChange={(event) => {
          const next = event.currentTarget.value;
          const proxy = { host: next, port: last.current };
          form.changeAll(
            (doc) => set(doc, 'http_proxy', next === '' ? undefined : proxy),
            ['http_proxy.host'],
          );
        }}
        onBlur={() => form.touch('http_proxy.host')}
        error={form.error('http_proxy.host')}
        autoComplete="off"
        spellCheck={false}
      />
      <NumberInput
        label="The proxy's port"
        description={<Description help={helpOf('settings', 'main', 'http_proxy.port')} />}
        value={typeof port === 'number' || typeof port === 'string' ? port : ''}
        onChange={(next) => text !== '' && form.change('http_proxy.port', next === '' ? undefined : next)}
        error={form.error('http_proxy.port')}
        readOnly={text === ''}
        allowDecimal={false}
        allowNegative={false}
        clampBehavior="none"
        styles={{ wrapper: { maxWidth: 220 } }}
      />
    </>
  );
}
