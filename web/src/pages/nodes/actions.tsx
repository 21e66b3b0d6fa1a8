import { Button, Group, Tooltip } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { useSession } from '@/session';

type NodeView = Schemas['NodeView'];

/** Drain, take back, remove. `removed` is called when the node is gone. */
export function NodeActions({
  node,
  others,
  removed,
}: {
  node: NodeView;
  /** How many other nodes are connected and take logins. */
  others: number;
  removed?: () => void;
}) {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { may } = useSession();
  const name = node.node;
  // One of the control plane's machine joined with no token, and is there while its data plane runs.
  const here = node.certificate_until_ms == null && node.connected;

  const drain = async (wanted: boolean) => {
    await ask(
      api.POST('/api/v1/nodes/{node}/drain', { params: { path: { node: name } }, body: { drain: wanted } }),
    );
    await client.invalidateQueries({ queryKey: ['nodes'] });
    notifications.show({ message: wanted ? `${name} takes no new logins.` : `${name} takes logins again.` });
  };
  const askToDrain = () =>
    confirm({
      title: `Drain ${name}?`,
      body: (
        <>
          It takes no new logins and finishes those it has; devices go on to their next server. It lasts over
          restarts, until you take it back.
          {others === 0 && (
            <>
              {' '}
              <b>No other node takes logins now: nobody could log in.</b>
            </>
          )}
        </>
      ),
      confirm: `Drain ${name}`,
      danger: others === 0,
      action: () => drain(true),
    });
  const askToUndrain = () =>
    confirm({
      title: `Let ${name} take logins again?`,
      body: 'It takes new logins at once, or when it is back.',
      confirm: `Undrain ${name}`,
      action: () => drain(false),
    });
  const askToRemove = () =>
    confirm({
      title: `Remove node ${name}?`,
      body: (
        <>
          Its certificates are revoked, the tokens for it are taken back, and it is cut off and forgotten.
          What it has, it still serves: stop its process and delete its data folder. This cannot be undone; it
          can join again with a new token.
        </>
      ),
      confirm: `Remove ${name}`,
      danger: true,
      typed: name,
      action: async () => {
        await ask(api.DELETE('/api/v1/nodes/{node}', { params: { path: { node: name } } }));
        notifications.show({ message: `${name} is removed.` });
        removed?.();
        await client.invalidateQueries({ queryKey: ['nodes'] });
      },
    });

  return (
    <Group gap="xs">
      {may('operator') && (
        <Button
          variant="default"
          onClick={node.draining ? askToUndrain : askToDrain}
          aria-label={`${node.draining ? 'Undrain' : 'Drain'} ${name}`}
        >
          {node.draining ? 'Undrain' : 'Drain'}
        </Button>
      )}
      {may('admin') && (
        <Tooltip
          label="It runs on the control plane's machine, and is there as long as its data plane runs."
          disabled={!here}
          events={{ hover: true, focus: true, touch: true }}
        >
          <Button
            variant="default"
            data-disabled={here || undefined}
            aria-disabled={here}
            onClick={() => !here && askToRemove()}
            aria-label={`Remove ${name}`}
          >
            Remove
          </Button>
        </Tooltip>
      )}
    </Group>
  );
}
