/** How people are reached: each way with its form, a test, and what did not go out. */
import {
  Badge,
  Button,
  Group,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { FormModal } from '@/components/form-modal';
import { Loaded } from '@/components/page';
import { Cell, StackedTable, WholeCell } from '@/components/stacked';
import { Time } from '@/components/time';
import { useSession } from '@/session';
import {
  ALL_WAYS,
  CHANNELS,
  changeOf,
  type Delivery,
  setWords,
  type Texts,
  textsOf,
  WAYS,
  type Way,
} from './delivery-words';
import { deliveryQuery } from './queries';
import { Section } from './section';

const write = (body: Schemas['ChangeDeliveryWrite']) =>
  ask(api.PATCH('/api/v1/second-factor/delivery', { body }));

export function DeliveryTab() {
  const query = useQuery(deliveryQuery);
  return <Loaded query={query}>{(delivery) => <Ways delivery={delivery} />}</Loaded>;
}

function Ways({ delivery }: { delivery: Delivery }) {
  const { may } = useSession();
  const client = useQueryClient();
  const confirm = useConfirm();
  const [edited, setEdited] = useState<Way | null>(null);
  const [tested, setTested] = useState<Way | null>(null);
  const put = (now: Delivery) => client.setQueryData(deliveryQuery.queryKey, now);
  const clear = (way: Way) =>
    confirm({
      title: `Remove what is set for ${WAYS[way].title}?`,
      body: `${WAYS[way].none} Its secret is forgotten with it.`,
      confirm: 'Remove it',
      danger: true,
      action: async () => {
        put(await write({ [way]: 'clear' }));
        notifications.show({ message: WAYS[way].none });
      },
    });

  return (
    <Stack gap="md">
      {!may('admin') && (
        <Text size="sm" c="dimmed">
          How people are reached is changed by administrators.
        </Text>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {ALL_WAYS.map((way) => {
          const said = setWords(way, delivery);
          const { title, about, none } = WAYS[way];
          return (
            <Section
              key={way}
              title={title}
              actions={
                <Badge variant="light" color={said ? 'green' : 'gray'} tt="none">
                  {said ? 'set up' : 'not set up'}
                </Badge>
              }
            >
              <Stack gap="xs">
                <Text size="sm" c="dimmed">
                  {about}
                </Text>
                <Text size="sm" className="wrap">
                  {said ?? none}
                </Text>
                {may('admin') && (
                  <Group gap="xs">
                    <Button
                      size="compact-sm"
                      variant="default"
                      onClick={() => setEdited(way)}
                      aria-label={`${said ? 'Change' : 'Set up'}: ${title}`}
                    >
                      {said ? 'Change' : 'Set up'}
                    </Button>
                    {said && way !== 'web_push' && (
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => setTested(way)}
                        aria-label={`Send a test: ${title}`}
                      >
                        Send a test
                      </Button>
                    )}
                    {said && (
                      <Button
                        size="compact-sm"
                        variant="default"
                        onClick={() => clear(way)}
                        aria-label={`Remove: ${title}`}
                      >
                        Remove
                      </Button>
                    )}
                  </Group>
                )}
              </Stack>
            </Section>
          );
        })}
      </SimpleGrid>
      <Section title="What did not go out lately">
        {delivery.failures.length === 0 ? (
          <Text size="sm" c="dimmed">
            Nothing failed.
          </Text>
        ) : (
          <StackedTable label="What did not go out" columns={['When', 'How', 'User', 'Why']} dense>
            {delivery.failures.map(({ at, channel, user, why }, index) => (
              // Two may fail in one second.
              <Table.Tr key={index}>
                <WholeCell>
                  <Text size="sm">
                    <Time ms={at * 1_000} />
                  </Text>
                </WholeCell>
                <Cell of="How">{CHANNELS[channel]}</Cell>
                <Cell of="User">{user || 'a test'}</Cell>
                <Cell of="Why">{why}</Cell>
              </Table.Tr>
            ))}
          </StackedTable>
        )}
      </Section>
      {edited && <WayForm way={edited} delivery={delivery} put={put} close={() => setEdited(null)} />}
      {tested && <SendTest way={tested} close={() => setTested(null)} />}
    </Stack>
  );
}

function WayForm({
  way,
  delivery,
  put,
  close,
}: {
  way: Way;
  delivery: Delivery;
  put: (now: Delivery) => void;
  close: () => void;
}) {
  const [texts, setTexts] = useState<Texts>(() => textsOf(way, delivery));
  const [fault, setFault] = useState<string | null>(null);
  const { title, about, secret } = WAYS[way];
  const kept = secret !== undefined && delivery.secrets.includes(secret);
  const of = (name: keyof Texts) => ({
    value: texts[name],
    onChange: (event: { currentTarget: { value: string } }) =>
      setTexts({ ...texts, [name]: event.currentTarget.value }),
    autoComplete: 'off',
    spellCheck: false,
  });
  const save = async () => {
    const body = changeOf(way, texts);
    setFault(body ? null : 'Each line is name=value.');
    if (!body) return false;
    put(await write(body));
    notifications.show({ message: `${title}: saved.` });
    return true;
  };
  const secretField = (label: string, description: string) => (
    <PasswordInput
      label={label}
      description={kept ? 'One is set. Leave it empty to keep it; another host needs it again.' : description}
      {...of('secret')}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ 'aria-label': `Show: ${label}` }}
    />
  );

  return (
    <FormModal opened close={close} title={title} size="lg" submit="Save" send={save}>
      <Text size="sm" c="dimmed">
        {about}
      </Text>
      {way === 'smtp' && (
        <>
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <TextInput label="Server" placeholder="mail.example.com" {...of('host')} />
            <TextInput label="Port" placeholder="as the protection has it" {...of('port')} />
          </SimpleGrid>
          <Select
            label="Protection"
            data={[
              { value: 'starttls', label: 'STARTTLS, port 587' },
              { value: 'tls', label: 'TLS, port 465' },
              { value: 'none', label: 'none, port 25: a server on this machine only' },
            ]}
            value={texts.security}
            onChange={(value) => value && setTexts({ ...texts, security: value as Schemas['SmtpSecurity'] })}
            allowDeselect={false}
          />
          <TextInput label="From" placeholder="Countersign <gate@example.com>" {...of('from')} />
          <TextInput label="User" description="Empty: nobody signs in there." {...of('user')} />
          {secretField('Password', 'Of that user.')}
        </>
      )}
      {(way === 'sms' || way === 'voice') && (
        <>
          <TextInput
            label="Address"
            description="https://, or http:// on this machine only."
            placeholder="https://gateway.example.com/send"
            {...of('url')}
          />
          <Select
            label="Format"
            data={[
              { value: 'json', label: 'JSON' },
              { value: 'form', label: 'form (x-www-form-urlencoded)' },
            ]}
            value={texts.format}
            onChange={(value) => value && setTexts({ ...texts, format: value as Schemas['GatewayFormat'] })}
            allowDeselect={false}
          />
          <Textarea
            label="Fields"
            description={`name=value on each line. {number} is the telephone number, {text} what is to be said${way === 'voice' ? ', {callback} the address that the gateway tells what the person did' : ''}.`}
            autosize
            minRows={3}
            error={fault}
            {...of('fields')}
          />
          {secretField('Authorization', 'The header that the gateway wants, such as Bearer and a token.')}
        </>
      )}
      {way === 'web_push' && (
        <>
          <TextInput
            label="Contact"
            description="Whom a push service may ask about us."
            placeholder="mailto:it@example.com"
            {...of('contact')}
          />
          <Textarea
            label="Other hosts of push services"
            description="One on each line. Those of Chrome, Firefox, Safari and Edge are known."
            autosize
            minRows={2}
            {...of('hosts')}
          />
        </>
      )}
      <Textarea
        label="Certificates to trust"
        description="In PEM. May be empty."
        autosize
        minRows={2}
        maxRows={8}
        {...of('ca_pem')}
      />
    </FormModal>
  );
}

function SendTest({ way, close }: { way: Way; close: () => void }) {
  const [to, setTo] = useState('');
  const channel: Schemas['Channel'] = way === 'smtp' ? 'email' : way;
  const send = async () => {
    await ask(api.POST('/api/v1/second-factor/delivery/test', { body: { channel, to: to.trim() } }));
    notifications.show({ message: `The test to ${to.trim()} is out.` });
    return true;
  };
  return (
    <FormModal
      opened
      close={close}
      title={`Send a test: ${WAYS[way].title}`}
      submit="Send it"
      ready={to.trim() !== ''}
      send={send}
    >
      <TextInput
        label="To"
        description={way === 'smtp' ? 'An e-mail address.' : 'A telephone number, such as +1 555 010 0100.'}
        value={to}
        onChange={(event) => setTo(event.currentTarget.value)}
        autoComplete="off"
        data-autofocus
      />
    </FormModal>
  );
}
