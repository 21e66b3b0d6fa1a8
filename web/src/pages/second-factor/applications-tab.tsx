/** Applications: those of integrations, and those that are made for other clients of the API. */
import { Button, Checkbox, Code, Group, Select, Stack, Table, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { AppWindow, Plus } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { CopyBlock } from '@/components/copy';
import { Empty } from '@/components/empty';
import { FormEnd, FormModal } from '@/components/form-modal';
import { OnceDialog } from '@/components/once-dialog';
import { Loaded } from '@/components/page';
import { Actions, Cell, StackedTable, WholeCell } from '@/components/stacked';
import { unlessGone } from '@/lib/gone';
import { useKept } from '@/lib/kept';
import { useSession } from '@/session';
import { NEW_USERS } from './policy-words';
import { applicationsQuery, changed } from './queries';
import { NAMES } from './words';

type Application = Schemas['ListedApplication'];
/** What is said of it beside its name. */
type Says = Pick<Application, 'new_user_policy' | 'username_normalization' | 'open_enrollment'>;

const SILENT: Says = {
  new_user_policy: 'enroll',
  username_normalization: 'simple',
  open_enrollment: false,
};

export function ApplicationsTab() {
  const query = useQuery(applicationsQuery);
  return <Loaded query={query}>{({ items }) => <Applications items={items} />}</Loaded>;
}

function Applications({ items }: { items: Application[] }) {
  const { may } = useSession();
  const client = useQueryClient();
  const confirm = useConfirm();
  const [adding, add] = useDisclosure();
  const [edited, setEdited] = useState<Application | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const button = may('admin') && (
    <Button onClick={add.open} leftSection={<Plus size={16} aria-hidden />}>
      Add an application
    </Button>
  );
  const remove = ({ name }: Application) =>
    confirm({
      title: `Delete ${name}?`,
      body: 'Its keys are good for nothing from now on: whoever uses them lets nobody in, or everybody, as it is set there. Its policy goes with it.',
      confirm: `Delete ${name}`,
      danger: true,
      action: async () => {
        const path = { application: name };
        await ask(api.DELETE('/api/v1/second-factor/applications/{application}', { params: { path } })).catch(
          unlessGone,
        );
        await changed(client);
        notifications.show({ message: `${name} is deleted.` });
        place.current?.focus();
      },
    });

  return (
    <Stack gap="sm" ref={place} tabIndex={-1} style={{ outline: 'none' }}>
      <Group justify="space-between" align="flex-start" gap="sm">
        <Text size="sm" c="dimmed" maw="72ch">
          Each integration with the built-in second factor has an application of its own. Others are made for
          what asks the second factor by itself, such as Duo Unix on a server.
        </Text>
        {items.length > 0 && button}
      </Group>
      {items.length === 0 ? (
        <Empty icon={AppWindow} title="No application yet" action={button}>
          One is made for each integration when it is first served.
        </Empty>
      ) : (
        <StackedTable
          label="Applications"
          columns={['Application', 'Used by', 'Users without a device', 'Names']}
          actions
          dense
        >
          {items.map((one) => (
            <Table.Tr key={one.name}>
              <WholeCell>
                <Text size="sm" fw={600} className="wrap">
                  {one.name}
                </Text>
                <Text size="xs" c="dimmed" className="mono wrap">
                  {one.ikey}
                </Text>
              </WholeCell>
              <Cell of="Used by">
                <Text size="sm" className="wrap" c={one.integrations.length === 0 ? 'dimmed' : undefined}>
                  {one.integrations.join(', ') || 'no integration'}
                </Text>
              </Cell>
              <Cell of="Users without a device">
                {NEW_USERS[one.new_user_policy]}
                {one.open_enrollment && ', unknown names too'}
              </Cell>
              <Cell of="Names">{NAMES[one.username_normalization]}</Cell>
              <Actions>
                {may('admin') && (
                  <Group gap="xs" justify="flex-end">
                    <Button
                      size="compact-sm"
                      variant="default"
                      onClick={() => setEdited(one)}
                      aria-label={`Change ${one.name}`}
                    >
                      Change
                    </Button>
                    {one.integrations.length === 0 && (
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => remove(one)}
                        aria-label={`Delete ${one.name}`}
                      >
                        Delete
                      </Button>
                    )}
                  </Group>
                )}
              </Actions>
            </Table.Tr>
          ))}
        </StackedTable>
      )}
      {!may('admin') && (
        <Text size="sm" c="dimmed">
          Applications are added and changed by administrators.
        </Text>
      )}
      <Change application={edited} close={() => setEdited(null)} />
      <Add opened={adding} close={add.close} />
    </Stack>
  );
}

function SaysFields({ value, onChange }: { value: Says; onChange: (value: Says) => void }) {
  return (
    <>
      <Select
        label="Users without a device"
        description="Where no policy says so."
        data={Object.entries(NEW_USERS).map(([each, label]) => ({ value: each, label }))}
        value={value.new_user_policy}
        onChange={(next) => next && onChange({ ...value, new_user_policy: next as Says['new_user_policy'] })}
        allowDeselect={false}
      />
      <Select
        label="Names"
        description="What is done to them before they are looked up."
        data={Object.entries(NAMES).map(([each, label]) => ({ value: each, label }))}
        value={value.username_normalization}
        onChange={(next) =>
          next && onChange({ ...value, username_normalization: next as Says['username_normalization'] })
        }
        allowDeselect={false}
      />
      <Checkbox
        label="Names that are not here may enrol"
        description="Whoever has a password and a name that the directory takes can then enrol a device of their own."
        checked={value.open_enrollment}
        onChange={(event) => onChange({ ...value, open_enrollment: event.currentTarget.checked })}
      />
    </>
  );
}

function Change({ application, close }: { application: Application | null; close: () => void }) {
  const client = useQueryClient();
  const [says, setSays] = useState(SILENT);
  const kept = useKept(application);
  useEffect(() => {
    if (!application) return;
    const { new_user_policy, username_normalization, open_enrollment } = application;
    setSays({ new_user_policy, username_normalization, open_enrollment });
  }, [application]);
  const save = async () => {
    if (!kept) return false;
    const path = { application: kept.name };
    await ask(
      api.PATCH('/api/v1/second-factor/applications/{application}', { params: { path }, body: says }),
    );
    await changed(client);
    notifications.show({ message: `${kept.name}: saved.` });
    return true;
  };
  return (
    <FormModal
      opened={application !== null}
      close={close}
      title={kept?.name ?? ''}
      submit="Save"
      asked={says}
      send={save}
    >
      <SaysFields value={says} onChange={setSays} />
    </FormModal>
  );
}

function Add({ opened, close }: { opened: boolean; close: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [says, setSays] = useState(SILENT);
  const create = useMutation({
    mutationFn: async () =>
      (await ask(
        api.POST('/api/v1/second-factor/applications', { body: { name: name.trim(), ...says } }),
      )) as Schemas['Application2'],
    onSuccess: () => void changed(client),
    gcTime: 0,
  });
  const made = create.data;
  const forget = () => {
    create.reset();
    setName('');
    setSays(SILENT);
  };
  return (
    <OnceDialog
      opened={opened}
      close={close}
      forget={forget}
      busy={create.isPending}
      made={made !== undefined}
      title={made ? `Keys of ${made.name}, shown once` : 'Add an application'}
    >
      {made ? (
        <Keys made={made} done={close} />
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (!create.isPending && name.trim()) create.mutate();
          }}
        >
          <Stack gap="sm">
            <TextInput
              label="Name"
              description="Logins show it, and policies can be for it."
              placeholder="shells"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              maxLength={128}
              autoComplete="off"
              spellCheck={false}
              data-autofocus
            />
            <SaysFields value={says} onChange={setSays} />
            <FormEnd
              error={create.error}
              submit="Add the application"
              ready={name.trim() !== ''}
              busy={create.isPending}
              cancel={close}
            />
          </Stack>
        </form>
      )}
    </OnceDialog>
  );
}

function Keys({ made, done }: { made: Schemas['Application2']; done: () => void }) {
  return (
    <Stack gap="sm">
      <CopyBlock
        label="Keys and host"
        text={`ikey = ${made.ikey}\nskey = ${made.skey}\nhost = ${made.host}:${made.port}`}
      />
      <Text size="sm">
        Whoever has the secret key can ask for logins in the name of this application. It is shown only once:
        who lost it deletes the application, and adds another.
      </Text>
      <Text size="sm">
        On another machine, <Code>host</Code> is one of the names in the certificate of the second factor that
        lead here: {made.names.join(', ') || made.host}.
      </Text>
      <CopyBlock label="Certificate to trust" text={made.ca_pem.trim()} />
      <Group justify="flex-end">
        <Button onClick={done}>I have them</Button>
      </Group>
    </Stack>
  );
}
