import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { api, ask, type Schemas } from '@/api/client';
import { useConfirm } from '@/components/confirm';
import { plural } from '@/lib/format';
import { unlessGone } from '@/lib/gone';
import { useSession } from '@/session';
import { statusBody } from './bypass-words';
import { changed, drop, KEY, put, userQuery, usersQuery } from './queries';
import { tellFailure, tellWithUndo } from './tell';
import { FAILURES_TO_LOCK, goesWith, STATUSES, type Status, type User } from './words';

/** What can be done to a user from more than one place. */
export function useDeeds() {
  const client = useQueryClient();
  const confirm = useConfirm();
  const { may } = useSession();

  const write = async (user: User, body: Parameters<typeof patch>[1]) => {
    const now = await patch(user.name, body);
    put(client, now);
    return now;
  };

  /** Shown at once, taken back where the gateway refuses. */
  const setAtOnce = async (user: User, status: Status, until: number | null = null) => {
    await client.cancelQueries({ queryKey: [KEY] });
    const failures = status === 'locked_out' ? user.failures : 0;
    put(client, { ...user, status, failures, bypass_until: status === 'bypass' ? until : null });
    try {
      await write(user, statusBody(status, until));
      return true;
    } catch (error) {
      put(client, user);
      void changed(client);
      tellFailure(`${user.name} is ${STATUSES[user.status].word} as before`, error);
      return false;
    }
  };

  const setStatus = async (user: User, status: Status) => {
    if (!may('admin')) {
      // An operator could not take it back: asked first.
      confirm({
        title: `Disable ${user.name}?`,
        body: 'Every login of this user is refused from now on. Only an administrator can undo that.',
        confirm: `Disable ${user.name}`,
        danger: true,
        action: () => write(user, { status }),
      });
      return;
    }
    if (await setAtOnce(user, status)) tellSet(user, status, null);
  };

  /** Says what a user is now, and offers the way back to what they were. */
  const tellSet = (user: User, status: Status, until: number | null) =>
    tellWithUndo(`${user.name} is ${STATUSES[status].word} now.`, async () => {
      // Somebody else may have decided meanwhile: theirs holds.
      const now = await ask(
        api.GET('/api/v1/second-factor/users/{name}', { params: { path: { name: user.name } } }),
      );
      if (now.status !== status || (now.bypass_until ?? null) !== until) {
        put(client, now);
        notifications.show({
          message: `${user.name} is ${STATUSES[now.status].word} by now: somebody else changed it, and it was left so.`,
        });
        return;
      }
      // A bypass that had an end has it again.
      if (await setAtOnce(now, user.status, user.bypass_until ?? null)) {
        notifications.show({ message: `${user.name} is ${STATUSES[user.status].word} again.` });
      }
    });

  /** A bypass until a time in seconds since 1970, or lasting. */
  const setBypass = async (user: User, until: number | null) => {
    await write(user, statusBody('bypass', until));
    tellSet(user, 'bypass', until);
  };

  const setScript = async (user: User, script: User['script']) => {
    await write(user, { script: script ? { set: script } : 'clear' });
  };

  const lock = (user: User) =>
    confirm({
      title: `Lock ${user.name}?`,
      body: (
        <>
          From now on no login of {user.name} passes, with whatever factor, and pushes that wait are refused.
          It lasts until somebody unlocks {user.name}.
          {user.status === 'bypass' && ' The bypass is over with it, and does not come back.'}
        </>
      ),
      confirm: `Lock ${user.name}`,
      danger: true,
      action: async () => {
        const path = { name: user.name };
        put(client, await ask(api.POST('/api/v1/second-factor/users/{name}/lock', { params: { path } })));
        notifications.show({ message: `${user.name} is locked.` });
      },
    });

  const unlock = (user: User) =>
    confirm({
      title: `Unlock ${user.name}?`,
      body: (
        <>
          {user.status === 'locked_out'
            ? `${user.name} can log in again. `
            : `${user.name} is not locked out yet. `}
          The count of wrong passcodes starts again at 0 ({plural(user.failures, 'wrong passcode')} now;{' '}
          {FAILURES_TO_LOCK} in a row lock a user out). If somebody else was guessing, they probably have{' '}
          {user.name}’s password.
        </>
      ),
      confirm: `Unlock ${user.name}`,
      action: async () => {
        const path = { name: user.name };
        put(client, await ask(api.POST('/api/v1/second-factor/users/{name}/unlock', { params: { path } })));
        notifications.show({ message: `${user.name} is unlocked.` });
      },
    });

  /** `done` is called when the user is gone: it leads elsewhere, or gives the focus to something else. */
  const remove = (user: User, done: () => Promise<void> | void) =>
    confirm({
      title: `Delete ${user.name}?`,
      body: (
        <>
          {goesWith(user)} This cannot be undone: devices would have to be set up again. A login as{' '}
          {user.name} is then refused, unless the application lets unknown users in. Logins and audit entries
          stay.
        </>
      ),
      confirm: `Delete ${user.name}`,
      danger: true,
      action: async () => {
        const path = { name: user.name };
        await ask(api.DELETE('/api/v1/second-factor/users/{name}', { params: { path } })).catch(unlessGone);
        notifications.show({ message: `${user.name} is deleted.` });
        await done();
        client.removeQueries({ queryKey: userQuery(user.name).queryKey });
        drop(client, user);
        await client.invalidateQueries({ queryKey: [KEY, 'found'] });
        await client.invalidateQueries({ queryKey: usersQuery.queryKey });
      },
    });

  return { setStatus, setBypass, setScript, lock, unlock, remove };
}

const patch = (name: string, body: Schemas['ChangeUserWrite']) =>
  ask(api.PATCH('/api/v1/second-factor/users/{name}', { params: { path: { name } }, body }));
