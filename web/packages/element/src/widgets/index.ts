export type { WidgetAction } from './actions.js';
export { StructuredInputView } from './structured-input.js';
export { type WidgetHost, WidgetView } from './view.js';
export { widgetStyles } from './widgets.styles.js';
