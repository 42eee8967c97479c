/** An answer of this site's own, in the shape of Parlor's errors, which chat elements know how to show. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    { headers = {}, cause }: { headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.status = status;
    this.code = code;
    this.headers = headers;
  }

  response(): Response {
    const requestId = `req_${crypto.randomUUID().replaceAll('-', '')}`;
    const { code, message } = this;
    return Response.json(
      { error: { code, message, request_id: requestId } },
      {
        status: this.status,
        headers: { ...this.headers, 'Cache-Control': 'no-store', 'X-Request-Id': requestId },
      },
    );
  }
}
