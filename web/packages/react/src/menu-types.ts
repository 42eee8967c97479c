import type { WidgetHandle } from './use-chatkit-widget.js';

/** What an entry of the menu does: sends a message, opens a page, or calls a function. */
export type MenuAction =
  | { readonly message: string }
  | { readonly href: string; readonly target?: '_blank' | undefined }
  | { readonly run: (widget: WidgetHandle) => void };

/** An entry of the menu. */
export type MenuEntry = { readonly label: string } & MenuAction;

/** One thing that users may say of themselves. */
export interface ProfileField {
  /** Its name in `userInfo`. */
  readonly name: string;
  readonly label: string;
  /** `text` by default. */
  readonly type?: 'text' | 'email' | 'url' | 'textarea' | 'select' | undefined;
  /** What can be chosen, for `select`. */
  readonly options?: readonly (string | { readonly value: string; readonly label: string })[] | undefined;
  readonly placeholder?: string | undefined;
  /** 500 by default, which is what Parlor's server keeps. */
  readonly maxLength?: number | undefined;
}

export interface ProfileOptions {
  readonly fields: readonly ProfileField[];
}
