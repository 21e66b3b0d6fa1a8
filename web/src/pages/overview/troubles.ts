/** What of several questions failed, each failure once: where the gateway is away, all of them do. Pure. */
import { ApiError } from '@/api/client';

interface Asked {
  error: unknown;
  data: unknown;
  refetch: () => unknown;
}

export interface Trouble {
  error: unknown;
  /** What was there before is still shown. */
  isOld: boolean;
  /** Asks again whatever failed so. */
  retry: () => void;
}

function kindOf(error: unknown): string {
  return error instanceof ApiError ? `${error.status} ${error.problem.detail}` : String(error);
}

export function troublesOf(asked: readonly Asked[]): Trouble[] {
  const kinds = new Map<string, Asked[]>();
  for (const one of asked) {
    if (!one.error) continue;
    const kind = kindOf(one.error);
    kinds.set(kind, [...(kinds.get(kind) ?? []), one]);
  }
  return [...kinds.values()].map((same) => ({
    error: same[0]?.error,
    isOld: same.every(({ data }) => data !== undefined),
    retry: () => {
      for (const one of same) one.refetch();
    },
  }));
}
