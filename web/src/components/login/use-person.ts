/** Who a login's user is at the built-in second factor, where its integration asks that. */
import { useQuery } from '@tanstack/react-query';
import { ApiError, api, ask } from '@/api/client';
import { integrationsQuery } from '@/api/queries';
import { namesOf, type Person } from './person';
import type { AuthEvent } from './words';

type Asked = Pick<AuthEvent, 'integration' | 'ikey' | 'user'>;

async function personOf(user: string): Promise<Person> {
  for (const name of namesOf(user)) {
    try {
      const path = { name };
      const found = await ask(api.GET('/api/v1/second-factor/users/{name}', { params: { path } }));
      const isBare = found.devices.length === 0 && found.bypass_codes === 0;
      return { is: isBare ? 'bare' : 'ready', name: found.name };
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
  return { is: 'nobody', name: user };
}

/** Undefined where the second factor is another one, or where it is not known yet. */
export function usePerson({ integration, ikey, user }: Asked): Person | undefined {
  const { data: builtin = false } = useQuery({
    ...integrationsQuery,
    select: ({ items }) =>
      items.some(
        ({ id, application }) =>
          // Its key tells an integration that asked another one at the time.
          id === integration && application.pinned_ca != null && application.ikey === ikey,
      ),
  });
  const isAsked = builtin && Boolean(user);
  const { data } = useQuery({
    // Of the second factor: what changes there is read again here.
    queryKey: ['second-factor', 'person', user ?? ''],
    queryFn: () => personOf(user ?? ''),
    enabled: isAsked,
  });
  // While it is read, and where it cannot be, what is to be done is done at the same place.
  return isAsked ? (data ?? { is: 'unread', name: user ?? '' }) : undefined;
}
