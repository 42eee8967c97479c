/** Why a request could not be answered, in words a program can act on. */
export interface ApiErrorDetails {
  /** HTTP status; 0 when no answer arrived at all. */
  status: number;
  /** Stable machine code: the server's, or `offline`, `network`, `bad_response`, `http_<status>`. */
  code: string;
  message: string;
  /** The server's id of the request, to quote in a bug report. */
  requestId?: string | undefined;
  /** Seconds to wait before trying again. */
  retryAfter?: number | undefined;
  /** The field of the request that was wrong (422). */
  field?: string | undefined;
}

/** A request that failed before or instead of its answer. */
export class ApiError extends Error implements ApiErrorDetails {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;
  readonly field: string | undefined;

  constructor(details: ApiErrorDetails, options?: ErrorOptions) {
    super(details.message, options);
    this.status = details.status;
    this.code = details.code;
    this.requestId = details.requestId;
    this.retryAfter = details.retryAfter;
    this.field = details.field;
  }

  /** True when nothing was answered, so the server may or may not have seen the request. */
  get isNetwork(): boolean {
    return this.status === 0;
  }

  /** True when sending the same request again may succeed. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** True for the rejection of an aborted fetch or read. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

const asString = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Seconds from a `Retry-After` header: a number of seconds or an HTTP date. */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/**
 * Reads an error answer of any server: Parlor's `{error: {code, message, …}}`,
 * FastAPI's `{detail: …}`, or a page of a proxy, whose HTML is never shown.
 */
export async function readApiError(response: Response, now: number): Promise<ApiError> {
  let code: string | undefined;
  let message: string | undefined;
  let requestId = response.headers.get('x-request-id') ?? undefined;
  let field: string | undefined;
  let retryAfter = parseRetryAfter(response.headers.get('retry-after'), now);
  try {
    const body: unknown = JSON.parse((await response.text()).slice(0, 65_536));
    if (typeof body === 'object' && body !== null) {
      const { error, detail } = body as { error?: unknown; detail?: unknown };
      if (typeof error === 'object' && error !== null) {
        const fields = error as Record<string, unknown>;
        code = asString(fields.code);
        message = asString(fields.message);
        requestId = asString(fields.request_id) ?? requestId;
        field = asString(fields.field);
        if (typeof fields.retry_after === 'number') retryAfter ??= fields.retry_after;
      } else {
        message = asString(error) ?? asString(detail);
      }
    }
  } catch {
    // Not JSON: the status alone has to explain it.
  }
  return new ApiError({
    status: response.status,
    code: code ?? `http_${response.status}`,
    message: message ?? `The server answered with status ${response.status}.`,
    requestId,
    retryAfter,
    field,
  });
}
