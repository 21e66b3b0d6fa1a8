import { Drawer, Group } from '@mantine/core';
import { ExternalLink } from 'lucide-react';
import { CopyIcon } from '@/components/copy';
import { TextLink } from '@/components/links';
import { LoginDetail } from '../login/detail';

/** One login over the list. It has an address of its own besides. */
export function LoginDrawer({ id, onClose }: { id: string | undefined; onClose: () => void }) {
  return (
    <Drawer
      opened={id !== undefined}
      onClose={onClose}
      position="right"
      size="min(880px, 100%)"
      title="Login"
      closeButtonProps={{ 'aria-label': 'Close the login' }}
      overlayProps={{ backgroundOpacity: 0.35 }}
    >
      {id !== undefined && (
        <>
          <Group gap="xs" mb="sm">
            <TextLink to="/logins/$id" params={{ id }} size="sm">
              <ExternalLink size={14} aria-hidden /> On a page of its own
            </TextLink>
            <CopyIcon
              value={`${window.location.origin}/logins/${id}`}
              label="Copy the address of this login"
            />
          </Group>
          <LoginDetail id={id} />
        </>
      )}
    </Drawer>
  );
}
