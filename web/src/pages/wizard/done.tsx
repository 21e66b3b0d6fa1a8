import { Anchor, Button, Card, List, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { CopyIcon } from '@/components/copy';
import { Markdown } from '@/components/markdown';
import { type DeviceTemplate, fillDevice } from '@/devices/template';
import type { Answers } from './answers';
import { Onward, Step } from './frame';

/** How a device reaches this gateway, as far as a browser can tell. */
export function guessedAddress(hostname: string): string {
  return /^(localhost|127\.|\[?::1)/.test(hostname) ? '' : hostname.replace(/^\[|\]$/g, '');
}

/** What is set on the device, with the values of this installation. */
export function DoneStep({
  answers,
  device,
  back,
}: {
  /** None after an import: the devices are set already. */
  answers: Answers | null;
  device: DeviceTemplate | undefined;
  back: () => void;
}) {
  const [gateway, setGateway] = useState(() => guessedAddress(window.location.hostname));
  const notes = useMemo(() => {
    if (!answers || !device) return '';
    return fillDevice(device.notes, {
      gateway: gateway || 'ADDRESS-OF-THIS-GATEWAY',
      device: answers.address,
      secret: answers.secret,
      port: Number(answers.port),
    });
  }, [answers, device, gateway]);
  return (
    <Step
      title={answers ? 'Set up the device' : 'Done'}
      lead={
        answers
          ? 'The gateway is ready. These are the settings of the other side.'
          : 'The gateway serves what the file said. Point the devices at it: address and port, their secrets stay.'
      }
    >
      <Stack gap="md">
        {answers && (
          <Card withBorder>
            <Stack gap="sm">
              <TextInput
                maw={440}
                label="Address of this gateway"
                description="As the device reaches it: a name or an address. It is put into the texts below."
                value={gateway}
                onChange={(event) => setGateway(event.currentTarget.value.trim())}
                autoComplete="off"
                spellCheck={false}
              />
              <Values answers={answers} gateway={gateway} />
            </Stack>
          </Card>
        )}
        {answers && device && (
          <Card withBorder>
            <Title order={3}>{device.title}</Title>
            <Text size="sm" c="dimmed" mb="xs">
              {gateway
                ? 'Menus and commands as its maker documents them, with your values.'
                : 'Menus and commands as its maker documents them. Type the address of this gateway above: it is put in here, and the texts can be copied.'}
            </Text>
            <Markdown text={notes} level={4} copies={gateway !== ''} />
          </Card>
        )}
        <Card withBorder>
          <Title order={3}>Where to go next</Title>
          <List size="sm" mt="xs" spacing={4}>
            <List.Item>
              <Anchor component={Link} to="/logins" underline="always" inherit>
                Logins
              </Anchor>
              : who logs in, as it happens, and why somebody could not.
            </List.Item>
            <List.Item>
              <Anchor component={Link} to="/second-factor" underline="always" inherit>
                Second factor
              </Anchor>
              : further users of the built-in one, and their devices.
            </List.Item>
            <List.Item>
              <Anchor component={Link} to="/integrations" underline="always" inherit>
                Integrations
              </Anchor>
              : further devices, exempt users, prompts.
            </List.Item>
            <List.Item>
              <Anchor component={Link} to="/administrators" underline="always" inherit>
                Administrators
              </Anchor>
              : invite a second one, so that nobody is the only one.
            </List.Item>
          </List>
        </Card>
      </Stack>
      <Onward>
        <Button variant="default" onClick={back}>
          Back
        </Button>
        <Button component={Link} to="/">
          To the overview
        </Button>
      </Onward>
    </Step>
  );
}

function Values({ answers, gateway }: { answers: Answers; gateway: string }) {
  const rows: [name: string, value: string, copied: boolean][] = [
    ['RADIUS server', gateway || 'this gateway’s address', gateway !== ''],
    ['UDP port', answers.port, true],
    ['Shared secret', answers.secret, true],
    ['Method', answers.mode === 'eap' ? 'EAP: PEAP with GTC, or TTLS with PAP' : 'PAP', false],
    ['Time-out', '60 seconds or more in all: a person needs time', false],
    ['Accounting', 'elsewhere, or off', false],
  ];
  return (
    <Table verticalSpacing={4} aria-label="Settings of every device">
      <Table.Tbody>
        {rows.map(([name, value, copied]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={500}>
              {name}
            </Table.Th>
            <Table.Td className="wrap">
              <span className={copied ? 'mono wrap' : undefined}>{value}</span>
            </Table.Td>
            <Table.Td w={44}>{copied && <CopyIcon value={value} label={`Copy: ${name}`} />}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
