import { notifications } from '@mantine/notifications';
import { type QueryClient, useQuery } from '@tanstack/react-query';
import type { Schemas } from './api/client';
import { sessionQuery } from './api/queries';

export type Role = Schemas['Role'];
const ORDER: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Whether `role` may do what wants `wanted`. */
export function may(role: Role | undefined, wanted: Role): boolean {
  return role !== undefined && ORDER.indexOf(role) >= ORDER.indexOf(wanted);
}

/** Who looks at the page. The gateway decides again with each call; this only says what to show. */
export function useSession() {
  const { data } = useQuery(sessionQuery);
  return {
    caller: data?.caller ?? '',
    role: data?.role,
    may: (wanted: Role) => may(data?.role, wanted),
  };
}

// One for both ways: a channel does not hear itself.
const tabs = globalThis.BroadcastChannel ? new BroadcastChannel('countersign-session') : null;

/** Somebody else is signed in from now on, or nobody: what was read before is forgotten, in all tabs. */
export function sessionChanged(client: QueryClient, who?: Schemas['Who']): void {
  client.clear();
  notifications.clean();
  tabs?.postMessage('changed');
  if (who) client.setQueryData(sessionQuery.queryKey, who);
}

/** Calls `changed` when another tab signed in or out. */
export function hearOtherTabs(changed: () => void): void {
  if (tabs) tabs.onmessage = changed;
}
