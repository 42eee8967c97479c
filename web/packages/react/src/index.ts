'use client';
export { ChatKitWidget, type Begun, type ChatKitWidgetProps } from './chatkit-widget.js';
export type { AuthGate, AuthGateOptions, GateStatus, OwnAuth } from './use-auth-gate.js';
export { useAuthGate } from './use-auth-gate.js';
export { useChatKitScript, type ChatKitScript } from './use-chatkit-script.js';
export {
  useChatKitWidget,
  type AskOptions,
  type ChatKitWidgetOptions,
  type ChatKitWidgetState,
  type WidgetHandle,
  type WidgetMode,
} from './use-chatkit-widget.js';
export { usePageContext } from './use-page-context.js';
export { useTextSelection } from './use-text-selection.js';
export { LABELS, type Labels } from './labels.js';
export type { MenuAction, MenuEntry, ProfileField, ProfileOptions } from './menu-types.js';
