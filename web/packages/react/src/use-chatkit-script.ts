import { scriptLoader, type ScriptError, type ScriptOptions, type ScriptStatus } from '@parlor/client';
import { useCallback, useSyncExternalStore } from 'react';

export interface ChatKitScript {
  status: ScriptStatus;
  error: ScriptError | null;
  /** Loads it, if nobody has; after a failure, tries again. What went wrong is in `error`. */
  load: () => void;
}

/** The script of the chat element: one for each address in a page. Loads nothing by itself. */
export function useChatKitScript(options: ScriptOptions = {}): ChatKitScript {
  // Made of plain values: the same address gives the same loader, whatever object it came in.
  const loader = scriptLoader(options);
  const status = useSyncExternalStore(
    useCallback((listener) => loader.subscribe(listener), [loader]),
    () => loader.status,
    () => 'pending' as const,
  );
  const load = useCallback(() => void loader.load().catch(() => undefined), [loader]);
  return { status, error: status === 'error' ? loader.error : null, load };
}
