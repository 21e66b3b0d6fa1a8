import { Box, Group, List, Stack, Text } from '@mantine/core';
import { CopyIcon } from './copy';
import { QrCode } from './qr';

/** A secret for an application that makes passcodes: as a picture for its camera, and to type. */
export function PasscodeSecret({ uri, secret }: { uri: string; secret: string }) {
  const groups = secret.match(/.{1,4}/g)?.join(' ') ?? secret;
  return (
    <Group gap="md" align="flex-start" justify="center">
      <QrCode text={uri} label="QR code of the secret, for an authenticator app" size={184} />
      <Stack gap={6} flex={1} miw={220}>
        <List size="sm" type="ordered" spacing={4}>
          <List.Item>Open an authenticator app on your phone.</List.Item>
          <List.Item>Scan the picture, or type the secret.</List.Item>
          <List.Item>The app shows a passcode of six digits, and a new one every 30 seconds.</List.Item>
        </List>
        <Box>
          <Text size="sm" fw={500}>
            Secret
          </Text>
          <Group gap={4} wrap="nowrap" align="flex-start">
            <Text component="code" className="mono wrap">
              {groups}
            </Text>
            <CopyIcon value={secret} label="Copy the secret" />
          </Group>
        </Box>
      </Stack>
    </Group>
  );
}
