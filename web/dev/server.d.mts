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

export interface DevWorld {
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
  close(): Promise<void>;
}

export function startDevServer(options?: {
  port?: number;
  root?: string | null;
  seed?: boolean;
}): Promise<DevServer>;
