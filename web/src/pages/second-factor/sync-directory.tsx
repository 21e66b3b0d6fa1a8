/** Takes in the people of a directory, and takes a list of it off again. */
import { Checkbox, Modal, Select, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { authenticatorsQuery } from '@/api/queries';
import { type Listed, listed } from './sync-words';
import { Tried } from './tried';

type Missing = Schemas['WhenMissing'];

const MISSING: { value: Missing; label: string }[] = [
  { value: 'disable', label: 'are disabled, until they are there again' },
  { value: 'delete', label: 'are deleted, with their devices' },
  { value: 'keep', label: 'stay as they are' },
];

/** The sections that are directories; undefined until they are read. */
export function useDirectories(enabled = true): string[] | undefined {
  const { data } = useQuery({ ...authenticatorsQuery, enabled });
  return data?.items.filter(({ kind }) => typeof kind === 'object' && 'ad' in kind).map(({ id }) => id);
}

function sync(body: Schemas['SyncDirectory'], dry_run: boolean) {
  return ask(api.POST('/api/v1/second-factor/sync', { params: { query: { dry_run } }, body }));
}

export function SyncDirectory({
  opened,
  close,
  list,
}: {
  opened: boolean;
  close: () => void;
  /** One that was synchronized before. */
  list?: Listed | undefined;
}) {
  const directories = useDirectories(opened);
  const [chosen, setChosen] = useState<string | null>(null);
  const [groupDn, setGroupDn] = useState('');
  const [group, setGroup] = useState('');
  const [missing, setMissing] = useState<Missing>('disable');
  const [phones, setPhones] = useState(false);
  const [force, setForce] = useState(false);
  const [takeOver, setTakeOver] = useState(false);
  useEffect(() => {
    if (!opened) return;
    setChosen(list?.section ?? null);
    setGroupDn(list?.groupDn ?? '');
    setGroup('');
    setMissing('disable');
    setPhones(false);
    setForce(false);
    setTakeOver(false);
  }, [opened, list]);
  const section = chosen ?? directories?.[0] ?? '';
  const body: Schemas['SyncDirectory'] = {
    ad_client: section,
    missing,
    phones,
    force,
    take_over: takeOver,
    forget: false,
    ...(groupDn.trim() ? { group_dn: groupDn.trim() } : {}),
    ...(group.trim() ? { group: group.trim() } : {}),
  };
  if (directories?.length === 0) {
    return (
      <Modal
        opened={opened}
        onClose={close}
        title="Import users from a directory"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Text size="sm">
          There is no directory yet: add an authenticator of the kind directory (ad_client), and its people
          can be taken in here.
        </Text>
      </Modal>
    );
  }
  return (
    <Tried
      opened={opened}
      close={close}
      title="Import users from a directory"
      taken="rest"
      asked={JSON.stringify(body)}
      ready={section !== ''}
      run={(dry_run) => sync(body, dry_run)}
    >
      {list && (
        <Text size="sm">
          What was chosen last time is not kept. Choose the same again; what differs is shown before it is
          done.
        </Text>
      )}
      <Select
        label="Directory"
        description="The gateway asks it with its own account. That takes a while where there are many people."
        data={directories ?? []}
        value={section || null}
        onChange={setChosen}
        allowDeselect={false}
      />
      <TextInput
        label="Group there"
        description="Its whole name. Empty takes all whom the directory’s section lets log in."
        placeholder="cn=VPN users,ou=Groups,dc=example,dc=com"
        value={groupDn}
        onChange={(event) => setGroupDn(event.currentTarget.value)}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput
        label="Group here"
        description="Each of them is put into it. May be empty."
        value={group}
        onChange={(event) => setGroup(event.currentTarget.value)}
        maxLength={128}
        autoComplete="off"
      />
      <Select
        label="Those who came from there and are there no more"
        data={MISSING}
        value={missing}
        onChange={(value) => value && setMissing(value as Missing)}
        allowDeselect={false}
      />
      <Checkbox
        label="Mobile numbers make phones for passcodes by SMS"
        description="Only where an SMS gateway is set up. Who has a phone is not shown where to enrol."
        checked={phones}
        onChange={(event) => setPhones(event.currentTarget.checked)}
      />
      <Checkbox
        label="Even where more than half of them are missing"
        description="Without, ten or more are not disabled or deleted because a directory answers half."
        checked={force}
        onChange={(event) => setForce(event.currentTarget.checked)}
      />
      <Checkbox
        label="Believe names where the directory’s ids differ"
        description="Once, after a directory was loaded anew or moved to another section: each of its people is then who has that name here, and has their devices. Without, somebody who was given another’s name is refused."
        checked={takeOver}
        onChange={(event) => setTakeOver(event.currentTarget.checked)}
      />
    </Tried>
  );
}

export function ForgetList({ source, close }: { source: string | null; close: () => void }) {
  const [missing, setMissing] = useState<Missing>('disable');
  useEffect(() => {
    if (source !== null) setMissing('disable');
  }, [source]);
  const { section, groupDn } = listed(source ?? '');
  const body: Schemas['SyncDirectory'] = {
    ad_client: section,
    missing,
    phones: false,
    force: false,
    take_over: false,
    forget: true,
    ...(groupDn ? { group_dn: groupDn } : {}),
  };
  return (
    <Tried
      opened={source !== null}
      close={close}
      title="Forget a list"
      taken="off"
      asked={JSON.stringify(body)}
      ready
      run={(dry_run) => sync(body, dry_run)}
      verb={() => 'Forget the list'}
      done={() => `The list ${source} is forgotten.`}
    >
      <Text size="sm" className="wrap">
        <b>{source}</b> is not synchronized any more, and not shown. The directory is not asked, and nothing
        changes there. Who is on another list stays in by that one; everybody loses the group that this one
        put them in.
      </Text>
      <Select
        label="Those who are on no other list"
        data={MISSING.map(({ value, label }) => ({
          value,
          label: value === 'disable' ? 'are disabled, until a list has them again' : label,
        }))}
        value={missing}
        onChange={(value) => value && setMissing(value as Missing)}
        allowDeselect={false}
      />
    </Tried>
  );
}
