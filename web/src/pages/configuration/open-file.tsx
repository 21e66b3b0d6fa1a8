/** A file of this machine, taken into the editor. */
import { Button, Group, Modal, Radio, Stack, Text } from '@mantine/core';
import { FolderOpen } from 'lucide-react';
import { useState } from 'react';
import { ChooseFile, textOf } from './files';
import { withPlainEnds } from './ini';
import type { How } from './source';

export function OpenFile({
  asks,
  onOpen,
}: {
  /** Whether it can be added to what there is. */
  asks: boolean;
  onOpen: (text: string, how: How) => void;
}) {
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [how, setHow] = useState<How>('replace');
  const take = async (chosen: File | null) => {
    const read = chosen && (await textOf(chosen));
    if (!chosen || read === null) return;
    const text = withPlainEnds(read);
    if (asks) setFile({ name: chosen.name, text });
    else onOpen(text, 'replace');
  };
  return (
    <>
      <ChooseFile onChange={take}>
        {(props) => (
          <Button {...props} variant="default" leftSection={<FolderOpen size={16} aria-hidden />}>
            Open a file
          </Button>
        )}
      </ChooseFile>
      <Modal
        opened={file !== null}
        onClose={() => setFile(null)}
        title={`Open ${file?.name ?? ''}`}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <Stack gap="sm">
          <Radio.Group label="What to do with it" value={how} onChange={(value) => setHow(value as How)}>
            <Stack gap="xs" mt="xs">
              <Radio
                value="replace"
                label="Replace everything"
                description="What is not in it goes: sections, clients, settings."
              />
              <Radio
                value="merge"
                label="Add to what there is"
                description="Its sections are added whole, under names that are free. Settings of [main] stay as they are. Nothing that is there is changed."
              />
            </Stack>
          </Radio.Group>
          <Text size="sm" c="dimmed">
            It goes into the editor. Nothing is changed before you have seen what would change.
          </Text>
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => setFile(null)}>
              Cancel
            </Button>
            <Button
              onClick={() => {
                if (file) onOpen(file.text, how);
                setFile(null);
              }}
            >
              Into the editor
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
