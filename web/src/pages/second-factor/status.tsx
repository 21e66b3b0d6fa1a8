import { Badge, Button, Menu, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Ban, ChevronDown, CircleCheck, CircleSlash, LockKeyhole } from 'lucide-react';
import { useSession } from '@/session';
import { BypassForm } from './bypass-form';
import { useDeeds } from './deeds';
import { CHOICES, STATUSES, type Status, type User } from './words';

const ICONS = { active: CircleCheck, bypass: CircleSlash, disabled: Ban, locked_out: LockKeyhole };

/** A user's status, by colour, sign and word. */
export function StatusBadge({ status, size = 'md' }: { status: Status; size?: 'md' | 'lg' }) {
  const { word, colour, about } = STATUSES[status];
  const Icon = ICONS[status];
  return (
    <Tooltip label={about}>
      <Badge
        variant="light"
        color={colour}
        size={size}
        tt="none"
        style={{ minWidth: 'max-content' }}
        leftSection={<Icon size={size === 'lg' ? 15 : 12} aria-hidden />}
      >
        {word}
      </Badge>
    </Tooltip>
  );
}

/** The entries of a menu that set a status; what only administrators may is there, and says so. */
export function StatusItems({ user, bypass }: { user: User; bypass: () => void }) {
  const { setStatus } = useDeeds();
  const { may } = useSession();
  return (
    <>
      <Menu.Label>Status</Menu.Label>
      {CHOICES.filter((status) => status !== user.status || status === 'bypass').map((status) => {
        const Icon = ICONS[status];
        const allowed = may('admin') || (may('operator') && status === 'disabled');
        return (
          <Menu.Item
            key={status}
            disabled={!allowed}
            leftSection={<Icon size={16} aria-hidden />}
            onClick={() => (status === 'bypass' ? bypass() : setStatus(user, status))}
          >
            {status === user.status ? 'Change how long the bypass lasts' : `Set to ${STATUSES[status].word}`}
            <Text size="xs" c="dimmed">
              {allowed ? STATUSES[status].about : 'For administrators.'}
            </Text>
          </Menu.Item>
        );
      })}
    </>
  );
}

/** A button that opens them. */
export function StatusMenu({ user }: { user: User }) {
  const [bypassing, bypass] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end" width={280}>
        <Menu.Target>
          <Button variant="default" rightSection={<ChevronDown size={16} aria-hidden />}>
            Change the status
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <StatusItems user={user} bypass={bypass.open} />
        </Menu.Dropdown>
      </Menu>
      <BypassForm user={user} opened={bypassing} close={bypass.close} />
    </>
  );
}
