import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { api, ask } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { unlessGone } from '@/lib/gone';
import { changed } from './queries';
import { type Device, deviceLabel, deviceName, type User } from './words';

/** Asks, then removes a device; `done` is called before the question closes, to give the focus elsewhere. */
export function useRemoveDevice(): (user: User, device: Device, done: () => void) => void {
  const client = useQueryClient();
  const confirm = useConfirm();
  return (user, device, done) =>
    confirm({
      title: `Remove ${deviceName(device)} of ${user.name}?`,
      body: (
        <>
          The {deviceLabel(device)}, <span className="mono">{device.id}</span>, is of no use from now on. It
          cannot be brought back, only set up again.
          {user.devices.length === 1 &&
            user.bypass_codes === 0 &&
            ` It is the only one: without it, ${user.name} is rejected until another is set up.`}
        </>
      ),
      confirm: `Remove ${deviceName(device)}`,
      danger: true,
      action: async () => {
        const path = { name: user.name, id: device.id };
        await ask(api.DELETE('/api/v1/second-factor/users/{name}/devices/{id}', { params: { path } })).catch(
          unlessGone,
        );
        await changed(client);
        notifications.show({ message: `${deviceName(device)} of ${user.name} is removed.` });
        done();
      },
    });
}
