import { NativeSelect, PasswordInput, Radio, SimpleGrid, Stack, TextInput } from '@mantine/core';
import type { Answers, Primary, Transport } from './answers';
import { Choice } from './choice';
import { PemInput } from './pem';
import type { FieldsProps } from './questions';

export function PasswordFields(props: FieldsProps) {
  const { answers, change } = props;
  return (
    <Stack gap="md" maw={720}>
      <Radio.Group
        value={answers.primary}
        onChange={(primary) => change({ primary: primary as Primary })}
        aria-label="Who knows the passwords"
      >
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
          <Choice value="ad" title="Active Directory" about="A service account looks people up." />
          <Choice value="ldap" title="Another directory" about="OpenLDAP, FreeIPA, 389 and their like." />
          <Choice value="radius" title="Another RADIUS server" about="FreeRADIUS, NPS, a token server." />
          <Choice
            value="device"
            title="The device itself"
            about="It has checked the password; here only the second factor is asked."
          />
        </SimpleGrid>
      </Radio.Group>
      {(answers.primary === 'ad' || answers.primary === 'ldap') && <DirectoryFields {...props} />}
      {answers.primary === 'radius' && <UpstreamFields {...props} />}
    </Stack>
  );
}

function text({ answers, change, faults }: FieldsProps, field: keyof Answers & string) {
  return {
    value: String(answers[field] ?? ''),
    onChange: (event: { currentTarget: { value: string } }) => change({ [field]: event.currentTarget.value }),
    error: faults[field],
    autoComplete: 'off',
    spellCheck: false,
  };
}

const EYE = { 'aria-label': 'Show it', tabIndex: 0 };

function DirectoryFields(props: FieldsProps) {
  const { answers, change } = props;
  const ad = answers.primary === 'ad';
  return (
    <Stack gap="sm" maw={520}>
      <TextInput
        label="Server"
        description="A name that its certificate has, or an address. Others can be added later."
        placeholder="dc1.example.com"
        {...text(props, 'directoryHost')}
        required
      />
      <NativeSelect
        label="Connection"
        value={answers.directoryTransport}
        onChange={(event) => change({ directoryTransport: event.currentTarget.value as Transport })}
        data={[
          { value: 'ldaps', label: 'LDAPS: TLS from the start, port 636' },
          { value: 'starttls', label: 'StartTLS, port 389' },
          { value: 'clear', label: ad ? 'Clear, signed and sealed by NTLM' : 'Clear: passwords can be read' },
        ]}
      />
      {answers.directoryTransport !== 'clear' && (
        <PemInput
          label="Certificate of its authority"
          description="In PEM. If left out, the system’s authorities count, which seldom include a directory’s."
          value={answers.directoryCa}
          onChange={(directoryCa) => change({ directoryCa })}
          error={props.faults.directoryCa}
        />
      )}
      <TextInput
        label="Service account"
        description={ad ? 'Reads only: svc-radius, or svc-radius@example.com' : 'Its distinguished name.'}
        placeholder={ad ? 'svc-radius' : 'cn=radius,ou=services,dc=example,dc=com'}
        {...text(props, 'directoryUser')}
        required
      />
      <PasswordInput
        label="Its password"
        {...text(props, 'directoryPassword')}
        autoComplete="new-password"
        visibilityToggleButtonProps={EYE}
        required
      />
      <TextInput
        label="Where people are"
        description="The entry under which all of them are found."
        placeholder={ad ? 'DC=example,DC=com' : 'ou=people,dc=example,dc=com'}
        {...text(props, 'directoryBase')}
        required
      />
      <TextInput
        label="Only members of this group"
        description="If left out, everybody in the directory may log in."
        placeholder={ad ? 'CN=VPN,OU=Groups,DC=example,DC=com' : 'cn=vpn,ou=groups,dc=example,dc=com'}
        {...text(props, 'directoryGroup')}
      />
    </Stack>
  );
}

function UpstreamFields(props: FieldsProps) {
  return (
    <Stack gap="sm" maw={520}>
      <TextInput label="Server" placeholder="10.0.0.9" {...text(props, 'upstreamHost')} required />
      <TextInput
        label="Its UDP port"
        inputMode="numeric"
        maw={220}
        {...text(props, 'upstreamPort')}
        required
      />
      <PasswordInput
        label="Secret shared with it"
        description="There, this gateway is a client with the same secret."
        {...text(props, 'upstreamSecret')}
        visibilityToggleButtonProps={EYE}
        required
      />
    </Stack>
  );
}
