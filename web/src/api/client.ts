/**
 * The one door to the gateway. Types come from `controlplane/openapi.json` (`npm run types`); whatever is
 * refused becomes an `ApiError` with the problem document and the request's id.
 */
import createClient, { type Middleware } from 'openapi-fetch';
import { isThere } from './presence';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** What came of a call that did not do what was asked. */
export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly problem: Problem,
    /** `X-Request-Id` of the answer: the gateway's log has the same. */
    readonly requestId: string | null,
    /** `Retry-After`, in seconds. */
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail);
  }

  /** The kind without its prefix: `changed`, `invalid`, `file-is-truth`. */
  get kind(): string {
    return this.problem.type.replace('urn:countersign:problem:', '');
  }
}

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

const page: Middleware = {
  onRequest({ request }) {
    // No foreign page can send it, so the gateway takes a write with our cookie for ours.
    if (!READS.has(request.method)) request.headers.set('countersign-page', '1');
    else if (!isThere()) request.headers.set('countersign-poll', '1');
    return request;
  },
};

// `fetch` is looked up with each call, so that a test can stand in for it.
export const api = createClient<paths>({
  baseUrl: `${globalThis.location?.origin ?? 'http://localhost'}/`,
  credentials: 'same-origin',
  fetch: (request: Request) => globalThis.fetch(request),
});
api.use(page);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'detail' in value && 'status' in value;
}

/** The error of an answer that is none of ours: a proxy's page, a cut connection. */
function strange(response: Response): Problem {
  return {
    type:
      response.status >= 500 ? 'urn:countersign:problem:unavailable' : 'urn:countersign:problem:bad-request',
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
    detail:
      response.status === 502 || response.status === 503 || response.status === 504
        ? 'The gateway is not answering right now. It may be restarting: this page keeps trying.'
        : `The answer has status ${response.status} and nothing else. It may have come from a proxy in between.`,
  };
}

/** What a response that refused says. */
export function errorOf(response: Response, body: unknown): ApiError {
  const retry = Number(response.headers.get('retry-after'));
  return new ApiError(
    response.status,
    isProblem(body) ? body : strange(response),
    response.headers.get('x-request-id'),
    Number.isFinite(retry) && retry > 0 ? retry : null,
  );
}

/** Like `ask`, with the response for whoever wants a header (`ETag`, `Countersign-Dry-Run`). */
export async function askFor<T>(call: Promise<Answer<T>>): Promise<{ data: T; response: Response }> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(
      0,
      {
        type: 'urn:countersign:problem:unavailable',
        title: 'No answer',
        status: 0,
        detail: 'The gateway cannot be reached. Is it running, and is this machine connected to it?',
      },
      null,
    );
  }
  if (!answer.response.ok) throw errorOf(answer.response, answer.error);
  return { data: answer.data as T, response: answer.response };
}

/** The answer's document, or an `ApiError`. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await askFor(call)).data;
}
