/** What happens to a page whose session ended, here or in another tab. */
import { notifications } from '@mantine/notifications';
import type { QueryClient } from '@tanstack/react-query';
import { ApiError } from './api/client';
import { sessionQuery } from './api/queries';
import { localPath } from './lib/local-path';
import { hasUnsaved } from './lib/unsaved';

/** Of the router, what is needed here. */
export interface Place {
  state: { location: { pathname: string; href: string; search: { to?: string } } };
  navigate(to: { to: '/sign-in'; search: { to: string } }): Promise<void>;
}

/** Of the window, what is needed here. */
export interface Tab {
  reload(): void;
  assign(path: string): void;
}

/** Pages in front of the sign-in that hold what was typed, or a token that is in no address. */
const JOINING = ['/setup', '/invitation'];
const NOTE = 'signed-out';

/** Whoever is told that nobody is signed in any more is asked to sign in again, whatever the page asked. */
export function watchSession(client: QueryClient, router: Place): void {
  client.getQueryCache().subscribe(({ type, query, ...event }) => {
    if (type !== 'updated' || !('action' in event)) return;
    const isSession = query.queryKey[0] === sessionQuery.queryKey[0];
    if (event.action.type === 'success' && isSession) notifications.hide(NOTE);
    if (event.action.type !== 'error') return;
    const { error } = event.action;
    if (!(error instanceof ApiError) || error.status !== 401) return;
    const { pathname, href } = router.state.location;
    if (hasUnsaved()) {
      // To be led away would ask again and again whether to lose it.
      notifications.show({
        id: NOTE,
        color: 'orange',
        autoClose: false,
        title: 'You are signed out',
        message: 'What you changed is still on this page. Sign in in another tab, then go on here.',
      });
      return;
    }
    client.removeQueries({ queryKey: sessionQuery.queryKey });
    if (pathname === '/sign-in' || JOINING.includes(pathname)) return;
    void router.navigate({ to: '/sign-in', search: { to: href } });
  });
}

/** Another tab signed in or out: what this one shows was for whoever was signed in before. */
export function sessionElsewhere(client: QueryClient, router: Place, tab: Tab): void {
  const { pathname, search } = router.state.location;
  if (JOINING.includes(pathname)) return;
  if (hasUnsaved()) void client.invalidateQueries();
  else if (pathname === '/sign-in') tab.assign(localPath(search.to) ?? '/');
  else tab.reload();
}
