/** Parts of a page with this attribute are never read: not their headings, not a selection in them. */
export const PRIVATE_ATTRIBUTE = 'data-parlor-private';

/** Selects what the page keeps to itself. */
export const PRIVATE = `[${PRIVATE_ATTRIBUTE}]`;

/** The chat itself and what belongs to it: no part of the page that it is on. */
export const WIDGET = 'openai-chatkit, [data-parlor-widget]';

/** Where people write. */
export const FIELDS =
  'input, textarea, select, [contenteditable]:not([contenteditable="false"]), [role="textbox"]';

/** The element at or around a node, also where that is in a shadow tree of its own. */
export function elementOf(node: Node | null): Element | null {
  if (node === null) return null;
  return node.nodeType === Node.ELEMENT_NODE ? (node as Element) : node.parentElement;
}

/** Whether a range begins, ends or lies in a private part, or has one within. */
export function touchesPrivate(range: Range): boolean {
  const around = elementOf(range.commonAncestorContainer);
  if (around === null) return false;
  if (around.closest(PRIVATE) !== null) return true;
  return [...around.querySelectorAll(PRIVATE)].some((part) => range.intersectsNode(part));
}
