import { useQuery } from '@tanstack/react-query';
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
