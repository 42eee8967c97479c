import type { AskOptions, WidgetHandle } from '@parlor/react';

/** Asked for before the chat is there: done once it is. */
let waiting: ((handle: WidgetHandle) => void) | null = null;
let current: WidgetHandle | null = null;

/** Said by the chat when it comes and goes. */
export function setHandle(handle: WidgetHandle | null): void {
  current = handle;
  if (handle === null || waiting === null) return;
  waiting(handle);
  waiting = null;
}

function withHandle(act: (handle: WidgetHandle) => void): void {
  if (current === null) waiting = act;
  else act(current);
}

/** Opens the chat. */
export const open = (): void => withHandle((handle) => handle.open());

/** Closes the chat. */
export const close = (): void => withHandle((handle) => handle.close());

/** Opens the chat, or closes it when it is open. */
export const toggle = (): void => withHandle((handle) => handle.toggle());

/** Opens the chat, waits until it is ready, and sends a question. */
export const ask = (question: string, options?: AskOptions): void =>
  withHandle((handle) => handle.ask(question, options));
