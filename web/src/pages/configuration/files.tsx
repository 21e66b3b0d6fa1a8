/** The files that the text names: certificates, keys, dictionaries. They go along with it. */
import { Alert, Badge, Button, FileButton, Group, Paper, Stack, Table, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { FilePlus2 } from 'lucide-react';
import { PLACEHOLDER } from './source';

/** The most octets of a file. */
export const LIMIT = 4 * 1024 * 1024;

/** A file's text; null, with a word why, where it is none. */
export async function textOf(file: File): Promise<string | null> {
  const refuse = (why: string) => {
    notifications.show({ color: 'red', title: file.name, message: why });
    return null;
  };
  if (file.size > LIMIT) return refuse('It has more than 4 MiB, which is the most.');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return refuse('It is not UTF-8 text. Save it as UTF-8; certificates are taken as PEM.');
  }
}

export function NamedFiles({
  files,
  unused,
  onChange,
}: {
  files: Record<string, string>;
  unused: readonly string[];
  onChange: (files: Record<string, string>) => void;
}) {
  const names = Object.keys(files).sort();
  const add = async (chosen: File[]) => {
    const next = { ...files };
    for (const file of chosen) {
      const text = await textOf(file);
      if (text !== null) next[file.name] = text;
    }
    onChange(next);
  };
  const keys = names.filter((name) => files[name]?.trim() === PLACEHOLDER);
  return (
    <Paper withBorder p="sm" radius="md" component="section" aria-label="Named files">
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Text fw={600} size="sm">
            Files that the text names
          </Text>
          <FileButton onChange={add} multiple>
            {(props) => (
              <Button
                {...props}
                size="compact-sm"
                variant="default"
                leftSection={<FilePlus2 size={15} aria-hidden />}
              >
                Add files
              </Button>
            )}
          </FileButton>
        </Group>
        {names.length === 0 ? (
          <Text size="sm" c="dimmed">
            None. Certificates, keys and dictionaries that an option names are added here; they are found by
            their name.
          </Text>
        ) : (
          <Table>
            <Table.Tbody>
              {names.map((name) => (
                <Table.Tr key={name}>
                  <Table.Td className="wrap mono">{name}</Table.Td>
                  <Table.Td>
                    {keys.includes(name) ? (
                      <Badge color="red" variant="light" tt="none">
                        add the key
                      </Badge>
                    ) : unused.includes(name) ? (
                      <Badge color="gray" variant="light" tt="none">
                        not named
                      </Badge>
                    ) : (
                      <Text size="sm" c="dimmed">
                        {files[name]?.length} characters
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td ta="end">
                    <Button
                      size="compact-sm"
                      variant="subtle"
                      onClick={() => {
                        const { [name]: _gone, ...rest } = files;
                        onChange(rest);
                      }}
                      aria-label={`Remove ${name}`}
                    >
                      Remove
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
        {keys.length > 0 && (
          <Alert color="orange" title="A private key never comes out">
            <Text size="sm">
              To apply this text, add {keys.join(', ')} from where you keep it. Everything else of the
              integration can be changed on its own page without it.
            </Text>
          </Alert>
        )}
      </Stack>
    </Paper>
  );
}
