/**
 * The ChatKit wire protocol as types.
 *
 * They are generated from the contract that Parlor's server publishes, which is held against the
 * pydantic models of PyPI `openai-chatkit`. Here are the names under which this package uses some
 * of them, and the few that are the client's own.
 *
 * The protocol is open: a newer server may send item, event, task or source
 * types that are not listed. Nothing in this package validates or strips
 * them; they travel through the thread state unchanged, and every `switch`
 * over a `type` needs a default arm.
 */

import type * as wire from './generated/protocol.js';

export type * from './generated/protocol.js';

/** A JSON value as it comes off the wire. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** One page of a listing. `after` is the cursor of the next page. */
export interface Page<T> extends Omit<wire.ThreadPage, 'data'> {
  data: T[];
}

/** A part of a user message, as a client writes it: what has a default may be left out. */
export type UserMessageContent = wire.UserMessageContentInput;
export type UserMessageText = wire.UserMessageTextContent;
export type UserMessageTag = wire.UserMessageTagContentInput;
export type MultipleChoiceInput = wire.StructuredInputMultipleChoice;
export type FreeformInput = wire.StructuredInputFreeform;

/**
 * Any component of a widget, read with care: a widget may have any shape, also one that its types
 * ({@link wire.WidgetComponent}) do not have.
 */
export interface AnyComponent {
  type: string;
  id?: string | null;
  key?: string | null;
  children?: AnyComponent[] | AnyComponent | null;
  [property: string]: unknown;
}

export interface GeneratedImageItem extends wire.GeneratedImageItem {
  /** 0 to 1 while the image is being made. Client state: it only arrives in updates. */
  progress?: number | null;
}

export type ThreadItem = Exclude<wire.ThreadItem, wire.GeneratedImageItem> | GeneratedImageItem;

/** A thread with a page of its items. */
export interface Thread extends Omit<wire.Thread, 'items'> {
  items: Page<ThreadItem>;
}

type Envelope<T extends string, P> = { type: T; params: P; metadata?: JsonObject };

/** A request whose answer is a stream of {@link wire.ThreadStreamEvent}. */
export type StreamingRequest = {
  [T in keyof wire.StreamingParams]: Envelope<T, wire.StreamingParams[T]>;
}[keyof wire.StreamingParams];

/** A request whose answer is JSON. */
export type JsonRequest = {
  [T in keyof wire.JsonParams]: Envelope<T, wire.JsonParams[T]>;
}[keyof wire.JsonParams];

/** Every request of the protocol: the sixteen of the reference and Parlor's two. */
export type ChatKitRequest = StreamingRequest | JsonRequest;
