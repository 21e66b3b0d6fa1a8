/** What is shown once: it is in no other answer of the gateway. */
import { Alert, Button, Code, Group, List, Stack, Text } from '@mantine/core';
import { TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Schemas } from '@/api/client';
import { CopyBlock, CopyIcon } from '@/components/copy';
import { QrCode } from '@/components/qr';
import { isLocalOnly } from './words';

export function DeviceOnce({
  made,
  user,
  done,
}: {
  made: Schemas['CreatedDevice'];
  user: string;
  done: () => void;
}) {
  return (
    <Stack gap="md">
      {made.approval_url && (
        <LinkOnce
          url={made.approval_url}
          label="Address of the approval page"
          steps={[
            `${user} scans the picture with the phone’s camera, or opens the address on it.`,
            'The browser must trust the certificate of the second factor (secondfactor/ca.pem).',
            'Pushes are answered on that page: keep it, as a bookmark or on the home screen.',
          ]}
          warning={`Whoever has this address can approve logins of ${user}. Hand it over so that nobody else sees it.`}
        />
      )}
      {made.otpauth_uri && made.secret && (
        <Scanned
          code={made.otpauth_uri}
          alt="QR code of the secret, for an authenticator app"
          steps={[
            `${user} opens an authenticator app on the phone.`,
            'The app scans the picture, or the secret is typed into it.',
            'From then on, the app shows the passcodes.',
          ]}
          warning={`Whoever has this secret can make passcodes for ${user}. It is shown only once.`}
        >
          <div>
            <Text size="sm" fw={500}>
              Secret
            </Text>
            <Group gap={4} wrap="nowrap" align="flex-start">
              <Code className="wrap" data-testid="secret">
                {made.secret.match(/.{1,4}/g)?.join(' ')}
              </Code>
              <CopyIcon value={made.secret} label="Copy the secret" />
            </Group>
          </div>
          <CopyBlock text={made.otpauth_uri} label="Address for an authenticator app" />
        </Scanned>
      )}
      <Group justify="flex-end">
        <Button onClick={done}>I have it</Button>
      </Group>
    </Stack>
  );
}

/** An address that lets its reader do something. */
export function LinkOnce({
  url,
  label,
  steps,
  warning,
}: {
  url: string;
  label: string;
  steps: string[];
  warning: string;
}) {
  return (
    <Scanned code={url} alt={`QR code: ${label}`} steps={steps} warning={warning}>
      <CopyBlock text={url} label={label} />
      {isLocalOnly(url) && (
        <Alert color="blue" title="It opens only on the gateway’s own machine">
          <Text size="sm">
            For phones, let the second factor listen on an address they can reach, and name the address they
            are to open: <Code className="wrap">--second-factor-listen</Code> and{' '}
            <Code className="wrap">--second-factor-public-url</Code> of <Code>countersign run</Code>.
          </Text>
        </Alert>
      )}
    </Scanned>
  );
}

function Scanned({
  code,
  alt,
  steps,
  warning,
  children,
}: {
  code: string;
  alt: string;
  steps: string[];
  warning: string;
  children: ReactNode;
}) {
  return (
    <>
      <Group gap="lg" align="flex-start" justify="center">
        <QrCode text={code} label={alt} size={184} />
        <Stack gap="xs" flex={1} miw={220}>
          <List size="sm" type="ordered" spacing={4}>
            {steps.map((step) => (
              <List.Item key={step}>{step}</List.Item>
            ))}
          </List>
          <Group gap={6} wrap="nowrap" align="flex-start">
            <TriangleAlert
              size={16}
              aria-hidden
              color="var(--mantine-color-orange-text)"
              style={{ flexShrink: 0, marginTop: 2 }}
            />
            <Text size="sm">{warning}</Text>
          </Group>
        </Stack>
      </Group>
      {children}
    </>
  );
}
