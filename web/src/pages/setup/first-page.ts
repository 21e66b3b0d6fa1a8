import type { QueryClient } from '@tanstack/react-query';
import type { Schemas } from '@/api/client';
import { aboutQuery, integrationsQuery } from '@/api/queries';

/** The first page after a sign-in: the set-up for whoever can do it, where nothing is configured yet. */
export async function firstPage(client: QueryClient, who: Schemas['Who']): Promise<'/welcome' | '/'> {
  if (who.role !== 'admin') return '/';
  try {
    const about = await client.fetchQuery(aboutQuery);
    if (about.configuration.kind !== 'database') return '/';
    const { items } = await client.fetchQuery(integrationsQuery);
    return items.length === 0 ? '/welcome' : '/';
  } catch {
    // The overview says what is the matter.
    return '/';
  }
}
