/** Who asks the API with a token: created here, shown once, revoked. */
import { Button, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { KeyRound, Plus, SearchX } from 'lucide-react';
import { useRef } from 'react';
import { useConfirm } from '@/components/confirm';
import { Empty } from '@/components/empty';
import { Find } from '@/components/find';
import { Loaded, Page } from '@/components/page';
import { NeedsRole } from '@/components/role';
import { Time } from '@/components/time';
import { plural } from '@/lib/format';
import { unlessGone } from '@/lib/gone';
import { useSession } from '@/session';
import { CreateToken } from './tokens/create';
import { revokeToken, type Token, tokensQuery } from './tokens/queries';
import { TokenTable } from './tokens/table';
import { isLike } from './tokens/words';

const LEAD =
  'A program uses the REST API with a token: it sends it with every request, and may do what its role allows.';

export function TokensPage() {
  const { may, role } = useSession();
  if (role && !may('admin')) {
    return (
      <Page title="Tokens" lead={LEAD}>
        <NeedsRole wanted="admin">Administrators decide who gets a token, and with which role.</NeedsRole>
      </Page>
    );
  }
  return <Tokens />;
}

/** From how many on they can be searched. */
const MANY = 8;

function Tokens() {
  const query = useQuery(tokensQuery);
  const client = useQueryClient();
  const confirm = useConfirm();
  const { q = '' } = useSearch({ from: '/shell/tokens' });
  const navigate = useNavigate({ from: '/tokens' });
  const [creating, { open, close }] = useDisclosure();
  const place = useRef<HTMLDivElement>(null);

  const revokeAll = async (tokens: readonly Token[], message: string) => {
    try {
      for (const { id } of tokens) await revokeToken(id).catch(unlessGone);
    } finally {
      // Those before one that failed are gone.
      await client.invalidateQueries({ queryKey: tokensQuery.queryKey });
    }
    // The button that was pressed is gone with its row.
    place.current?.focus();
    notifications.show({ message });
  };
  const revoke = (token: Token) =>
    confirm({
      title: token.expired ? `Delete the expired token ${token.name}?` : `Revoke the token ${token.name}?`,
      body: token.expired ? (
        'It no longer works; this only removes it from the list.'
      ) : (
        <>
          It stops working with the next request. This cannot be undone: whoever needs one gets a new one.
          {token.last_used_at_ms != null && (
            <>
              {' '}
              It was last used <Time ms={token.last_used_at_ms} form="relative" />.
            </>
          )}
        </>
      ),
      confirm: `${token.expired ? 'Delete' : 'Revoke'} ${token.name}`,
      danger: true,
      action: () => revokeAll([token], `${token.name} no longer works.`),
    });
  const clear = (expired: readonly Token[]) =>
    confirm({
      title: `Delete ${plural(expired.length, 'expired token')}?`,
      body: `They no longer work; this only removes them from the list: ${expired.map(({ name }) => name).join(', ')}.`,
      confirm: `Delete ${plural(expired.length, 'expired token')}`,
      danger: true,
      action: () => revokeAll(expired, `${plural(expired.length, 'expired token')} deleted.`),
    });

  const create = (
    <Button onClick={open} leftSection={<Plus size={16} aria-hidden />}>
      Create a token
    </Button>
  );
  return (
    <Page title="Tokens" lead={LEAD} actions={query.data?.items.length ? create : null}>
      <CreateToken opened={creating} close={close} />
      <div ref={place} tabIndex={-1} style={{ outline: 'none' }}>
        <Loaded query={query}>
          {({ items }) => {
            if (items.length === 0) {
              return (
                <Empty icon={KeyRound} title="No tokens yet" action={create}>
                  A script, a monitor or a pipeline that reads logins or changes the configuration needs one.
                  People sign in with a password instead.
                </Empty>
              );
            }
            const expired = items.filter((one) => one.expired);
            const shown = items.filter((one) => isLike(one, q));
            return (
              <Stack gap="sm">
                <Group justify="space-between" align="flex-end" gap="sm">
                  {items.length >= MANY || q ? (
                    <Find
                      label="Search"
                      placeholder="name, creator, role"
                      text={q}
                      found={(text) =>
                        void navigate({ search: text ? { q: text } : {}, replace: true, resetScroll: false })
                      }
                    />
                  ) : null}
                  <Text size="sm" c="dimmed" role="status">
                    {q
                      ? `${shown.length} of ${plural(items.length, 'token')}`
                      : plural(items.length, 'token')}
                  </Text>
                  {expired.length > 0 && (
                    <Button variant="default" size="sm" onClick={() => clear(expired)}>
                      Delete {expired.length} expired
                    </Button>
                  )}
                </Group>
                {shown.length === 0 ? (
                  <Empty
                    icon={SearchX}
                    title="No token matches"
                    action={
                      <Button variant="default" onClick={() => void navigate({ search: {} })}>
                        Show all
                      </Button>
                    }
                  />
                ) : (
                  <TokenTable tokens={shown} revoke={revoke} />
                )}
              </Stack>
            );
          }}
        </Loaded>
      </div>
    </Page>
  );
}
