import { Badge, Button, Group, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Fingerprint } from 'lucide-react';
import { useState } from 'react';
import { api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { Loaded } from '@/components/page';
import { ProviderForm } from './provider-form';
import { providerQuery } from './queries';

/** The provider of OpenID Connect at which administrators sign in, where one is named. */
export function ProviderSettings({ setDirty }: { setDirty: (dirty: boolean) => void }) {
  // Read again only when asked to: what is typed goes with what it was typed over.
  const query = useQuery({ ...providerQuery, refetchOnWindowFocus: false, refetchOnReconnect: false });
  const client = useQueryClient();
  const confirm = useConfirm();
  const [naming, setNaming] = useState(false);
  const [saves, setSaves] = useState(0);

  const forget = (issuer: string, tag: string) =>
    confirm({
      title: 'Forget the provider?',
      body: (
        <>
          Nobody signs in at <strong>{issuer}</strong> any more, and whoever signed in there is signed out at
          once. Its settings and its secret are gone.
        </>
      ),
      confirm: 'Forget the provider',
      danger: true,
      action: async () => {
        await ask(api.DELETE('/api/v1/oidc', { params: { header: { 'If-Match': tag } } }));
        setDirty(false);
        setNaming(false);
        await client.invalidateQueries({ queryKey: providerQuery.queryKey });
        notifications.show({ message: `Nobody signs in at ${issuer} any more.` });
      },
    });

  return (
    <Loaded query={query}>
      {(found) =>
        found === null && !naming ? (
          <Empty
            icon={Fingerprint}
            title="No provider is named"
            action={<Button onClick={() => setNaming(true)}>Name a provider</Button>}
          >
            Administrators can sign in at a provider of OpenID Connect (Keycloak, Entra ID, Okta, Authentik,
            …) in place of a password here. The second factor is then the provider’s matter.
          </Empty>
        ) : (
          <Stack gap="md" maw={760}>
            {found && (
              <Group justify="space-between" gap="sm">
                <Group gap="xs">
                  <Badge color="green" variant="light" tt="none">
                    in use
                  </Badge>
                  <Text size="sm" className="wrap">
                    Administrators can sign in at {found.provider.issuer}
                  </Text>
                </Group>
                <Button
                  variant="default"
                  size="compact-sm"
                  onClick={() => forget(found.provider.issuer, found.tag)}
                >
                  Forget the provider
                </Button>
              </Group>
            )}
            <ProviderForm
              key={`${found?.tag ?? 'new'} ${saves}`}
              found={found}
              setDirty={setDirty}
              saved={() => setSaves((before) => before + 1)}
              cancel={() => setNaming(false)}
            />
          </Stack>
        )
      }
    </Loaded>
  );
}
