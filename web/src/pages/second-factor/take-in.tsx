/** Takes in many users: from a file, or from a directory. First it is only said what would be done. */
import { Button, FileInput, Menu } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { ChevronDown, FileUp, FolderSync, Import } from 'lucide-react';
import { useEffect, useState } from 'react';
import { api, ask } from '@/api/client';
import { SyncDirectory } from './sync-directory';
import { Tried } from './tried';

export function TakeIn() {
  const [importing, file] = useDisclosure();
  const [syncing, directory] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<Import size={16} aria-hidden />}
            rightSection={<ChevronDown size={16} aria-hidden />}
          >
            Import users
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<FileUp size={16} aria-hidden />} onClick={file.open}>
            From a CSV file
          </Menu.Item>
          <Menu.Item leftSection={<FolderSync size={16} aria-hidden />} onClick={directory.open}>
            From a directory
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <ImportFile opened={importing} close={file.close} />
      <SyncDirectory opened={syncing} close={directory.close} />
    </>
  );
}

/** The most that the gateway takes. */
const FILE_BYTES = 4 * 1024 * 1024;

function ImportFile({ opened, close }: { opened: boolean; close: () => void }) {
  const [file, setFile] = useState<File | null>(null);
  useEffect(() => {
    if (opened) setFile(null);
  }, [opened]);
  const isTooLarge = file !== null && file.size > FILE_BYTES;
  return (
    <Tried
      opened={opened}
      close={close}
      title="Import users from a CSV file"
      taken="whole"
      asked={file}
      ready={file !== null && !isTooLarge}
      run={async (dry_run) =>
        ask(
          api.POST('/api/v1/second-factor/import', {
            params: { query: { dry_run } },
            body: { csv: (await file?.text()) ?? '' },
          }),
        )
      }
    >
      <FileInput
        label="File"
        description="UTF-8, at most 4 MiB. The first line names the columns: username, and any of full_name, email, number, status, aliases and groups, the last two separated by semicolons. Who is there already is changed; an empty field changes nothing."
        placeholder="Choose a file"
        accept=".csv,text/csv,text/plain"
        value={file}
        onChange={setFile}
        error={isTooLarge && 'It has more than 4 MiB: split it.'}
        clearable
        clearButtonProps={{ 'aria-label': 'Choose no file' }}
      />
    </Tried>
  );
}
