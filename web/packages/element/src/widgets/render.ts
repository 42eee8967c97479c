import { nothing } from 'lit';
import { renderChildren } from './children.js';
import { badge, button, divider, iconView, image } from './components/content.js';
import { chart } from './components/chart-slot.js';
import { checkbox, datePicker, input, label, radioGroup, textarea } from './components/controls.js';
import { basic, box, card, form, listView, listViewItem, spacer, transition } from './components/layout.js';
import { select } from './components/select.js';
import { table } from './components/table.js';
import { caption, markdownView, textView, title } from './components/text.js';
import type { WidgetNode } from './nodes.js';
import type { Scope } from './view.js';

export type Renderer = (node: WidgetNode, scope: Scope) => unknown;

/** Deeper than any layout needs; what is below is left out. */
const MAX_DEPTH = 100;

const RENDERERS: Record<string, Renderer> = {
  Card: card,
  ListView: listView,
  ListViewItem: listViewItem,
  Basic: basic,
  Box: box,
  Row: box,
  Col: box,
  Form: form,
  Spacer: spacer,
  Divider: divider,
  Transition: transition,
  Text: textView,
  Title: title,
  Caption: caption,
  Markdown: markdownView,
  Badge: badge,
  Icon: iconView,
  Image: image,
  Button: button,
  Select: select,
  DatePicker: datePicker,
  Checkbox: checkbox,
  Input: input,
  Label: label,
  RadioGroup: radioGroup,
  Textarea: textarea,
  Chart: chart,
  Table: table,
};

/** Draws a component; one that this version does not know shows what is in it. */
export function renderNode(node: WidgetNode, scope: Scope): unknown {
  if (scope.depth > MAX_DEPTH || !scope.view.spend()) return nothing;
  const renderer = Object.hasOwn(RENDERERS, node.type) ? RENDERERS[node.type] : undefined;
  return renderer === undefined ? renderChildren(node, scope) : renderer(node, scope);
}
