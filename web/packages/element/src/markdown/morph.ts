/**
 * Elements whose identity is not in their markup: a citation's slot by its key. Their content belongs to whoever
 * filled them and is left alone.
 */
export const slotKeys = new WeakMap<Node, string>();

/**
 * Makes `current` look like `next` while keeping every node that is still right, so that a selection, a focused
 * link and loaded images survive while text grows. Nodes that are new are moved over from `next`.
 */
export function morph(current: Element, next: Element): void {
  morphAttributes(current, next);
  let at: ChildNode | null = current.firstChild;
  for (const wanted of Array.from(next.childNodes)) {
    while (at && !same(at, wanted) && mustGo(at, wanted)) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    if (at && same(at, wanted)) {
      if (at.nodeType === Node.TEXT_NODE) morphText(at as Text, wanted as Text);
      else if (!slotKeys.has(at) && !at.isEqualNode(wanted)) morph(at as Element, wanted as Element);
      at = at.nextSibling;
    } else {
      current.insertBefore(wanted, at);
      // An element replaced by one of another kind; text or a slot is squeezed in before it instead.
      if (
        at &&
        at.nodeType === Node.ELEMENT_NODE &&
        wanted.nodeType === Node.ELEMENT_NODE &&
        !slotKeys.has(wanted)
      ) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
      }
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function mustGo(at: ChildNode, wanted: Node): boolean {
  if (slotKeys.has(at)) return true;
  return at.nodeType === Node.TEXT_NODE && wanted.nodeType === Node.ELEMENT_NODE && !slotKeys.has(wanted);
}

function same(a: Node, b: Node): boolean {
  if (a.nodeType !== b.nodeType) return false;
  if (a.nodeType !== Node.ELEMENT_NODE) return true;
  if (slotKeys.get(a) !== slotKeys.get(b)) return false;
  const [x, y] = [a as Element, b as Element];
  if (x.localName !== y.localName || x.namespaceURI !== y.namespaceURI) return false;
  // A formula is replaced as a whole, an image is another image when its address differs.
  if (x.classList.contains('ck-math') || y.classList.contains('ck-math')) return x.isEqualNode(y);
  return x.localName !== 'img' || x.getAttribute('src') === y.getAttribute('src');
}

function morphText(current: Text, next: Text): void {
  if (current.data === next.data) return;
  if (next.data.startsWith(current.data)) current.appendData(next.data.slice(current.data.length));
  else current.data = next.data;
}

/** Set by the overflow observer, not by the renderer. */
const OBSERVED = new Set(['tabindex', 'role', 'aria-label']);

function morphAttributes(current: Element, next: Element): void {
  const observed = current.classList.contains('ck-scroll');
  for (const { name } of Array.from(current.attributes)) {
    if (!next.hasAttribute(name) && !(observed && OBSERVED.has(name))) current.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
}
