import { Button, Menu } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Copy, EllipsisVertical, Trash2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { useConfirm } from '@/components/confirm';
import { ButtonLink } from '@/components/links';
import { Loaded, Page } from '@/components/page';
import { useReview } from '@/components/review';
import type { DeviceTemplate } from '@/devices/template';
import { plural } from '@/lib/format';
import { DeviceSettings, DeviceStart } from './forms/device-start';
import { isMissing, Missing, useNew, useStored } from './forms/document';
import { duplicateOf } from './forms/duplicate';
import { useReadOnly } from './forms/frame';
import { newIntegration } from './forms/integration-fields';
import { IntegrationForm } from './forms/integration-form';
import { integrations } from './forms/resources';
import type { Read } from './forms/state';

/** `/integrations/-/new`: from nothing, a device, or a copy (`?from=vpn`). */
export function NewIntegrationPage() {
  const { from, authenticator } = useSearch({ strict: false }) as { from?: string; authenticator?: string };
  const query = useQuery({ ...integrations.query(from ?? ''), enabled: from !== undefined });
  const { readOnly, banner } = useReadOnly();
  const begin = useMemo<Read>(() => {
    const doc = from !== undefined && query.data ? duplicateOf(query.data.doc) : newIntegration();
    if (from === undefined && authenticator) doc.authenticator = authenticator;
    return { doc, tag: null };
  }, [from, authenticator, query.data]);
  if (from !== undefined && isMissing(query))
    return <Missing what={`integration ${from}`} all="/integrations" />;
  const title = from === undefined ? 'New integration' : `Copy of ${from}`;
  return (
    <Page
      title={title}
      lead="A port on which devices ask, who checks their passwords there, and which second factor follows. Nothing is served before it is reviewed."
    >
      {banner}
      {from === undefined ? (
        !banner && <NewIntegration begin={begin} readOnly={readOnly} template />
      ) : (
        <Loaded query={query}>
          {() => !banner && <NewIntegration key={from} begin={begin} readOnly={readOnly} template={false} />}
        </Loaded>
      )}
    </Page>
  );
}

function NewIntegration({
  begin,
  readOnly,
  template,
}: {
  begin: Read;
  readOnly: boolean;
  template: boolean;
}) {
  const navigate = useNavigate();
  const [device, setDevice] = useState<DeviceTemplate | null>(null);
  const { form, submit } = useNew({
    kind: 'integration',
    begin,
    readOnly,
    make: integrations.make,
    made: (id) => void navigate({ to: '/integrations/$id', params: { id }, ignoreBlocker: true }),
  });
  return (
    <IntegrationForm
      form={form}
      what="this new integration"
      onReview={submit}
      begin={template ? <DeviceStart chosen={device} onChosen={setDevice} /> : null}
      end={device && <DeviceSettings device={device} doc={form.values} />}
    />
  );
}

export function IntegrationPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const query = useQuery(integrations.query(id));
  const { readOnly, banner } = useReadOnly();
  const confirm = useConfirm();
  const review = useReview();
  const navigate = useNavigate();
  const clients = Array.isArray(query.data?.doc.clients) ? query.data.doc.clients.length : 0;
  const remove = () =>
    confirm({
      title: `Remove integration ${id}?`,
      body: (
        <>
          {plural(clients, 'client')} {clients === 1 ? 'is' : 'are'} no longer answered on UDP port{' '}
          {String(query.data?.doc.port ?? '')}: nobody logs in through {clients === 1 ? 'it' : 'them'} then.
          You see the change before it is applied, and can go back to any earlier revision.
        </>
      ),
      confirm: `Remove ${id}`,
      danger: true,
      action: () =>
        review({
          message: `remove integration ${id}`,
          writes: (draft) => integrations.remove(id, { draft }),
          applied: () => navigate({ to: '/integrations', ignoreBlocker: true }),
        }),
    });
  if (isMissing(query)) return <Missing what={`integration ${id}`} all="/integrations" />;
  return (
    <Page
      title={id}
      lead="An integration: devices that ask, who checks passwords, and the second factor."
      actions={
        <>
          <ButtonLink to="/logins" search={{ integration: id }} variant="default">
            Its logins
          </ButtonLink>
          {!readOnly && (
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" rightSection={<EllipsisVertical size={16} aria-hidden />}>
                  More
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  component={Link}
                  to="/integrations/-/new"
                  search={{ from: id } as never}
                  leftSection={<Copy size={16} aria-hidden />}
                >
                  Duplicate
                </Menu.Item>
                <Menu.Item color="red" leftSection={<Trash2 size={16} aria-hidden />} onClick={remove}>
                  Remove
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          )}
        </>
      }
    >
      {banner}
      <Loaded query={query}>{(read) => <Known key={id} id={id} read={read} readOnly={readOnly} />}</Loaded>
    </Page>
  );
}

function Known({ id, read, readOnly }: { id: string; read: Read; readOnly: boolean }) {
  const { form, submit } = useStored({
    kind: 'integration',
    what: `integration ${id}`,
    read,
    readOnly,
    queryKey: integrations.query(id).queryKey,
    change: (patch, tag, where) => integrations.change(id, patch, tag, where),
  });
  return <IntegrationForm form={form} what={id} onReview={submit} />;
}
