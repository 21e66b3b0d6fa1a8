/** The fields that a 422 names, for the form that was sent. */
import { ApiError } from '@/api/client';

/** What is wrong with a field, by its path. */
export type Faults = Record<string, string>;

/** The faults of fields that the form shows, and the error where something is left to be said beside them. */
export function faultsOf(error: unknown, isShown: (path: string) => boolean): { at: Faults; rest: unknown } {
  if (!(error instanceof ApiError)) return { at: {}, rest: error };
  const at: Faults = {};
  const left = (error.problem.errors ?? []).filter(({ path, message }) => {
    if (!isShown(path)) return true;
    at[path] = at[path] ? `${at[path]}; ${message}` : message;
    return false;
  });
  if (Object.keys(at).length === 0) return { at, rest: error };
  if (left.length === 0) return { at, rest: null };
  const problem = { ...error.problem, errors: left };
  return { at, rest: new ApiError(error.status, problem, error.requestId, error.retryAfter) };
}
