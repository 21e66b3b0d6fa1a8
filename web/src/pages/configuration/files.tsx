/** The files that the text names: certificates, keys, dictionaries. They go along with it. */
import {
  Alert,
  Badge,
  Button,
  FileButton,
  type FileButtonProps,
  Group,
  Paper,
  Stack,
  Table,
  Text,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { FilePlus2, KeyRound } from 'lucide-react';
import { useRef } from 'react';
import { ButtonLink } from '@/components/links';
import { keepFocus } from '../forms/focus';
import { missingKeys } from './source';

type Files = Record<string, string>;

/** The most octets of a file. */
const LIMIT = 4 * 1024 * 1024;

/** A file's text; null, with a word why, where it is none. */
export async function textOf(file: File): Promise<string | null> {
  const refuse = (why: string) => {
    notifications.show({ color: 'red', title: file.name, message: why });
    return null;
  };
  if (file.size > LIMIT) return refuse('It is larger than 4 MiB, the maximum.');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return refuse('It is not UTF-8 text. Save it as UTF-8; certificates are taken as PEM.');
  }
}

/** A button that takes files of this machine; the same one again, too, when it was changed meanwhile. */
export function ChooseFile<Multiple extends boolean = false>({
  onChange,
  ...props
}: FileButtonProps<Multiple>) {
  const reset = useRef<() => void>(null);
  return (
    <FileButton<Multiple>
      {...props}
      resetRef={reset}
      onChange={(chosen) => {
        onChange(chosen);
        reset.current?.();
      }}
    />
  );
}

/** What is to be added before a text can be applied that came without its private keys. */
export function MissingKeys({
  names,
  onChange,
}: {
  names: readonly string[];
  onChange: (make: (files: Files) => Files) => void;
}) {
  if (names.length === 0) return null;
  const add = async (name: string, file: File | null) => {
    const text = file && (await textOf(file));
    if (text) onChange((files) => ({ ...files, [name]: text }));
  };
  return (
    <Alert
      color="orange"
      icon={<KeyRound size={18} aria-hidden />}
      title={
        names.length === 1
          ? 'Its private key is needed to apply it'
          : 'Its private keys are needed to apply it'
      }
    >
      <Text size="sm">
        The gateway never gives out the private key of an EAP certificate, so this text came without it. Add
        it from where you keep it. Without it, everything can still be changed on the page of each integration
        and authenticator.
      </Text>
      <Group gap="xs" mt="xs">
        {names.map((name) => (
          <ChooseFile key={name} onChange={(file) => add(name, file)}>
            {(props) => (
              <Button
                {...props}
                size="compact-sm"
                variant="default"
                leftSection={<FilePlus2 size={15} aria-hidden />}
                className="wrap"
              >
                Add {name}
              </Button>
            )}
          </ChooseFile>
        ))}
        <ButtonLink to="/integrations" size="compact-sm" variant="default">
          To the integrations
        </ButtonLink>
      </Group>
    </Alert>
  );
}

export function NamedFiles({
  files,
  unused,
  onChange,
}: {
  files: Files;
  unused: readonly string[];
  onChange: (make: (files: Files) => Files) => void;
}) {
  const names = Object.keys(files).sort();
  const add = async (chosen: File[]) => {
    const added: Files = {};
    for (const file of chosen) {
      const text = await textOf(file);
      if (text !== null) added[file.name] = text;
    }
    onChange((before) => ({ ...before, ...added }));
  };
  const keys = missingKeys(files);
  return (
    <Paper withBorder p="sm" radius="md" component="section" aria-label="Named files" data-list>
      <Stack gap="xs">
        <Group justify="space-between" gap="xs">
          <Text fw={600} size="sm">
            Files that the text names
          </Text>
          <ChooseFile<true> onChange={add} multiple>
            {(props) => (
              <Button
                {...props}
                data-add
                size="compact-sm"
                variant="default"
                leftSection={<FilePlus2 size={15} aria-hidden />}
              >
                Add files
              </Button>
            )}
          </ChooseFile>
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
                        to be added
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
                      data-remove
                      onClick={(event) => {
                        keepFocus(event.currentTarget);
                        onChange(({ [name]: _gone, ...rest }) => rest);
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
      </Stack>
    </Paper>
  );
}
