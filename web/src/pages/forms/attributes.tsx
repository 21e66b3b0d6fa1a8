import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Input,
  NativeSelect,
  NumberInput,
  Popover,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { X } from 'lucide-react';
import { useState } from 'react';
import { attributeNamed } from './attribute-names';
import { keepFocus } from './focus';
import { helpOf } from './help';
import type { Shown } from './inputs';
import { type Doc, get, isDoc, type Json, set } from './path';
import { useForm } from './state';

/** `Fortinet-Group-Name · 12356/1 · text` */
function about(attribute: Doc): string {
  const number = attribute.vendor ? `${attribute.vendor}/${attribute.number}` : String(attribute.number);
  return `${number}, ${attribute.data_type}`;
}

/** The attributes to pass, each found by its name. */
export function AttributesField({ path, label, description }: Shown & { path: string }) {
  const form = useForm();
  const value = form.at(path);
  const list = (Array.isArray(value) ? value : []).filter(isDoc);
  return (
    <Input.Wrapper label={label} description={description} error={form.error(path)} labelElement="div">
      <Chosen
        label={label}
        list={list}
        // To what there is by then: looking it up takes a while.
        add={(one) => form.changeAll((doc) => set(doc, path, having(get(doc, path), one)), [path])}
        remove={(one) => form.change(path, without(list, one))}
      />
    </Input.Wrapper>
  );
}

/** The list with one attribute more; one of its name gives way. */
export function having(list: Json, one: Doc): Json {
  const others = (Array.isArray(list) ? list : []).filter(
    (other) => !isDoc(other) || other.name !== one.name,
  );
  return [...others, one];
}

/** A list that is empty is left out, as the API writes it. */
function without(list: Doc[], one: Doc): Json {
  const left = list.filter((other) => other !== one);
  return left.length > 0 ? left : undefined;
}

/** One attribute, or none. */
export function AttributeField({ path, label, description }: Shown & { path: string }) {
  const form = useForm();
  const value = form.at(path);
  return (
    <Input.Wrapper label={label} description={description} error={form.error(path)} labelElement="div">
      <Chosen
        label={label}
        list={isDoc(value) ? [value] : []}
        none="Calling-Station-Id"
        add={(one) => form.change(path, one)}
        remove={() => form.change(path, undefined)}
      />
    </Input.Wrapper>
  );
}

function Chosen({
  label,
  list,
  none = 'None',
  add,
  remove,
}: {
  label: string;
  list: Doc[];
  none?: string;
  add: (one: Doc) => void;
  remove: (one: Doc) => void;
}) {
  const [name, setName] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const look = async () => {
    if (name.trim() === '' || busy) return;
    setBusy(true);
    setError(null);
    try {
      add(await attributeNamed(name.trim()));
      setName('');
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap={6} mt={6} role="group" aria-label={label} data-list>
      <Group gap={6}>
        {list.length === 0 && (
          <Text size="sm" c="dimmed">
            {none}
          </Text>
        )}
        {list.map((one) => (
          <Badge
            key={String(one.name)}
            variant="default"
            size="lg"
            tt="none"
            fw={500}
            title={about(one)}
            rightSection={
              <ActionIcon
                size="xs"
                variant="transparent"
                color="gray"
                aria-label={`Remove ${String(one.name)}`}
                data-remove
                onClick={(event) => {
                  keepFocus(event.currentTarget);
                  remove(one);
                }}
              >
                <X size={12} aria-hidden />
              </ActionIcon>
            }
          >
            {String(one.name)}
          </Badge>
        ))}
      </Group>
      <Group gap="xs" align="flex-start">
        <TextInput
          aria-label={`Name of an attribute: ${label}`}
          data-add
          placeholder="Fortinet-Group-Name"
          value={name}
          error={error}
          onChange={(event) => {
            setName(event.currentTarget.value);
            setError(null);
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return;
            event.preventDefault();
            void look();
          }}
          spellCheck={false}
          autoComplete="off"
          w={260}
        />
        <Button variant="default" onClick={look} loading={busy} disabled={name.trim() === ''}>
          Add
        </Button>
        <ByNumber add={add} />
      </Group>
    </Stack>
  );
}

/** For an attribute that no dictionary has. */
function ByNumber({ add }: { add: (one: Doc) => void }) {
  const [opened, setOpened] = useState(false);
  const [name, setName] = useState('');
  const [number, setNumber] = useState<string | number>('');
  const [vendor, setVendor] = useState<string | number>('');
  const [type, setType] = useState('text');
  const types = helpOf('integration', 'auto', 'client_ip_attribute.data_type').words;
  const good = name.trim() !== '' && typeof number === 'number';
  return (
    <Popover opened={opened} onChange={setOpened} withArrow trapFocus shadow="md">
      <Popover.Target>
        <Button variant="subtle" onClick={() => setOpened(!opened)}>
          By number
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="An attribute by its number">
        <Stack gap="xs">
          <TextInput
            label="Name"
            description="For messages only."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Group gap="xs" grow>
            <NumberInput label="Number" min={1} max={255} value={number} onChange={setNumber} hideControls />
            <NumberInput
              label="Vendor"
              placeholder="none"
              min={0}
              value={vendor}
              onChange={setVendor}
              hideControls
            />
          </Group>
          <NativeSelect
            label="Its value is"
            data={types.map((word) => ({ value: word.value, label: word.description }))}
            value={type}
            onChange={(event) => setType(event.currentTarget.value)}
          />
          <Button
            disabled={!good}
            onClick={() => {
              add({
                name: name.trim(),
                number: Number(number),
                ...(typeof vendor === 'number' && vendor > 0 ? { vendor } : {}),
                data_type: type,
              });
              setOpened(false);
            }}
          >
            Add
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
