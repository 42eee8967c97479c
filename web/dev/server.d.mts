/** One thread of the development backend. */
export interface DevThread {
  id: string;
  title: string | null;
  created_at: string;
  status: { type: string; reason?: string };
  items: { id: string; type: string; [field: string]: unknown }[];
}

/** A failure to answer with instead of the next request of a type. */
export interface PlannedFailure {
  type: string;
  status?: number;
  code?: string;
  message?: string;
  headers?: Record<string, string>;
  /** Cut the connection without an answer. */
  destroy?: boolean;
}

/** How an upload misbehaves. */
export interface PlannedUpload {
  status?: number;
  /** Without one, the answer is the page of a proxy. */
  code?: string;
  message?: string;
  /** Cut the connection in the middle, until the plan is taken away. */
  cut?: boolean;
  /** Answer (well, or with `status`) when the test releases it. */
  hold?: boolean;
}

export interface DevWorld {
  attachments: Map<
    string,
    { id: string; type: string; name: string; mime_type: string; size: number; bytes: Buffer | null }
  >;
  uploadPlans: PlannedUpload[];
  uploads: { method: string; path: string; headers: Record<string, string> }[];
  held: (() => void)[];
  linkEpoch: number;
  staleLinks: number;
  transcript: string;
  threads: DevThread[];
  running: Map<string, unknown>;
  feedback: { thread_id: string; item_ids: string[]; kind: string }[];
  requests: { type: string; params: Record<string, unknown>; key?: string; metadata?: unknown }[];
  failNext: PlannedFailure[];
  newThread(title?: string | null): DevThread;
  fill(thread: DevThread, pairs: number): void;
  seed(): void;
}

export interface DevServer {
  world: DevWorld;
  url: string;
  /** Lets every held answer go on. */
  release(): void;
  /** Cuts all connections and waits until no request and no answer is worked on any more. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export function startDevServer(options?: {
  port?: number;
  root?: string | null;
  seed?: boolean;
  /** Waited for before a request is answered, and before an event of a stream is sent. */
  late?: () => Promise<void>;
}): Promise<DevServer>;
