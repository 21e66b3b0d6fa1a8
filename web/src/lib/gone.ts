import { ApiError } from '@/api/client';

/** For what is deleted: that it is not there any more is what was wanted. */
export function unlessGone(error: unknown): void {
  if (!(error instanceof ApiError) || error.status !== 404) throw error;
}
