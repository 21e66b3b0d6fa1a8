import { ActionIcon, Button, Group, Input, NumberInput, Stack, TextInput } from '@mantine/core';
import { ArrowUp, Plus, Trash2 } from 'lucide-react';
import { usualPort } from './authenticator-fields';
import { keepFocus } from './focus';
import type { Shown } from './inputs';
import { isDoc, type Json } from './path';
import { useForm } from './state';

/** Servers in the order in which they are asked. */
export function HostsField({ path, label, description }: Shown & { path: string }) {
  const form = useForm();
  const value = form.at(path);
  const hosts = Array.isArray(value) ? value : [];
  const port = usualPort(form.values);
  const write = (next: Json[]) => form.change(path, next);
  // Faults of a line stand at the line.
  const own = form.faults.find((fault) => fault.path === path)?.message ?? null;
  return (
    <Input.Wrapper label={label} description={description} error={own} labelElement="div">
      <Stack gap="xs" mt={6} role="group" aria-label={label} data-list>
        {hosts.map((host, index) => {
          const at = `${path}[${index}]`;
          const read = isDoc(host) ? host : {};
          return (
            <Group key={index} gap="xs" align="flex-start" wrap="nowrap">
              <TextInput
                flex={1}
                aria-label={`Server ${index + 1}`}
                placeholder="dc1.example.com"
                value={typeof read.name === 'string' ? read.name : ''}
                onChange={(event) => form.change(`${at}.name`, event.currentTarget.value)}
                onBlur={() => form.touch(`${at}.name`)}
                error={form.error(`${at}.name`)}
                spellCheck={false}
                autoComplete="off"
              />
              <NumberInput
                w={96}
                aria-label={`Port of server ${index + 1}`}
                value={typeof read.port === 'number' || typeof read.port === 'string' ? read.port : ''}
                onChange={(next) => form.change(`${at}.port`, next === '' ? undefined : next)}
                error={form.error(`${at}.port`)}
                allowDecimal={false}
                allowNegative={false}
                hideControls
              />
              <ActionIcon
                variant="default"
                size={36}
                aria-label={`Ask server ${index + 1} earlier`}
                disabled={index === 0}
                onClick={() => write(hosts.toSpliced(index - 1, 2, host, hosts[index - 1]))}
              >
                <ArrowUp size={16} aria-hidden />
              </ActionIcon>
              <ActionIcon
                variant="default"
                size={36}
                aria-label={`Remove server ${index + 1}`}
                data-remove
                onClick={(event) => {
                  keepFocus(event.currentTarget);
                  write(hosts.toSpliced(index, 1));
                }}
              >
                <Trash2 size={16} aria-hidden />
              </ActionIcon>
            </Group>
          );
        })}
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<Plus size={14} aria-hidden />}
          style={{ alignSelf: 'flex-start' }}
          data-add
          onClick={() => write([...hosts, { name: '', port }])}
        >
          Add a server
        </Button>
      </Stack>
    </Input.Wrapper>
  );
}
