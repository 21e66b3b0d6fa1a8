import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { sessionQuery } from '@/api/queries';
import { Feed, type Snapshot } from './feed';
import { type Filter, mayGrow, queryOf } from './filter';

/** The logins of a filter, live. */
export function useFeed(filter: Filter): { feed: Feed; snapshot: Snapshot } {
  const client = useQueryClient();
  // Another filter is another list; the same one in another object is not.
  const key = JSON.stringify(filter);
  const feed = useMemo(() => {
    const now = Date.now();
    const same = JSON.parse(key) as Filter;
    return new Feed(queryOf(same, now), mayGrow(same, now), () => {
      // Asked again, the session is refused, and the page leads to the sign-in.
      void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
    });
  }, [key, client]);
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, [feed]);
  return { feed, snapshot: useSyncExternalStore(feed.subscribe, feed.snapshot) };
}
