import { elementOf, FIELDS, PRIVATE, touchesPrivate, WIDGET } from './private.js';

/** A rectangle in the viewport, in CSS pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Text that the reader has marked. */
export interface TextSelection {
  readonly text: string;
  /** Its first line, where it begins on the screen. */
  readonly box: Box;
  /** Puts something of this size beside it: above, or below where there is no room. */
  place(width: number, height: number): { left: number; top: number; side: 'above' | 'below' };
  /** Takes the mark away. */
  clear(): void;
}

export interface TextSelectionOptions {
  /** The shortest text that counts, in characters; 2 by default. */
  shortest?: number | undefined;
  /** The longest; 4,000 by default. A longer one is cut. */
  longest?: number | undefined;
  /** Parts that don't count, beside the chat itself, fields, and what is `data-parlor-private`. */
  ignore?: string | undefined;
}

/** Distance to the text and to the edges of the viewport. CSS pixels. */
const GAP = 8;
/** A selection by keyboard is done when it has not changed for so long. */
const SETTLED_MS = 250;

/**
 * Watches what the reader marks, by mouse, touch or keyboard, and says so once they have marked
 * it; null once nothing is marked any more. Again when it moves on the screen. Returns the way to
 * end that.
 */
export function observeTextSelection(
  onChange: (selection: TextSelection | null) => void,
  options: TextSelectionOptions = {},
): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  let shown = false;
  let pressed = false;
  let settling: ReturnType<typeof setTimeout> | undefined;
  let frame: number | undefined;

  const tell = () => {
    clearTimeout(settling);
    const selection = currentSelection(options);
    if (selection === null && !shown) return;
    shown = selection !== null;
    onChange(selection);
  };
  const tellSoon = () => {
    clearTimeout(settling);
    settling = setTimeout(tell, SETTLED_MS);
  };
  const changed = () => {
    if (document.getSelection()?.isCollapsed !== false) {
      // What is gone goes at once.
      if (!pressed || shown) tell();
    } else if (!pressed) {
      tellSoon();
    }
  };
  const moved = () => {
    if (!shown || frame !== undefined) return;
    frame = requestAnimationFrame(() => {
      frame = undefined;
      tell();
    });
  };

  document.addEventListener('selectionchange', changed, { signal });
  const listen = (name: string, listener: (event: Event) => void) =>
    window.addEventListener(name, listener, { signal, capture: true, passive: true });
  listen('pointerdown', () => {
    pressed = true;
    clearTimeout(settling);
  });
  // Where text is marked by touch, the browser takes the pointer over for its handles.
  for (const name of ['pointerup', 'pointercancel', 'dragend']) {
    listen(name, () => {
      pressed = false;
      tellSoon();
    });
  }
  listen('scroll', moved);
  listen('resize', moved);
  window.visualViewport?.addEventListener('resize', moved, { signal });
  window.visualViewport?.addEventListener('scroll', moved, { signal });
  // Something may be marked already.
  if (document.getSelection()?.isCollapsed === false) tellSoon();
  return () => {
    controller.abort();
    clearTimeout(settling);
    if (frame !== undefined) cancelAnimationFrame(frame);
  };
}

/** What is marked at this moment; null when that is nothing, or nothing that counts. */
export function currentSelection(options: TextSelectionOptions = {}): TextSelection | null {
  const { shortest = 2, longest = 4_000 } = options;
  const selection = document.getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return null;
  const ends = [selection.anchorNode, selection.focusNode];
  const ignored = [WIDGET, PRIVATE, FIELDS, ...(options.ignore === undefined ? [] : [options.ignore])].join(
    ', ',
  );
  if (ends.some((end) => elementOf(end)?.closest(ignored) != null)) return null;
  // What is marked in a field belongs to the field, though the selection says that it is beside it.
  if (document.activeElement?.matches('input, textarea')) return null;
  const range = selection.getRangeAt(0);
  if (touchesPrivate(range)) return null;
  const text = selection.toString().trim();
  if (text.length < shortest) return null;
  const box = firstLine(beginning(range)) ?? firstLine(range);
  if (box === null) return null;
  return {
    text: text.slice(0, longest),
    box,
    place: (width, height) => place(box, () => range.getBoundingClientRect(), { width, height }, viewport()),
    clear: () => selection.removeAllRanges(),
  };
}

/** What of a range is in the paragraph that it begins in: its first line is there, and all of it may be a book. */
function beginning(range: Range): Range {
  let block = elementOf(range.startContainer);
  while (block?.parentElement != null && getComputedStyle(block).display.startsWith('inline')) {
    block = block.parentElement;
  }
  if (block === null || block.contains(range.endContainer)) return range;
  const first = range.cloneRange();
  first.setEnd(block, block.childNodes.length);
  return first;
}

/** The part of a range that is on its first line and takes room. */
function firstLine(range: Range): Box | null {
  const [first, ...rest] = [...range.getClientRects()].filter(({ width, height }) => width > 0 && height > 0);
  if (first === undefined) return null;
  const line = rest.filter(
    ({ top, bottom }) => (top + bottom) / 2 > first.top && (top + bottom) / 2 < first.bottom,
  );
  const left = Math.min(first.left, ...line.map((rect) => rect.left));
  const right = Math.max(first.right, ...line.map((rect) => rect.right));
  return { left, top: first.top, width: right - left, height: first.height };
}

function viewport(): Box {
  const visual = window.visualViewport;
  return {
    left: visual?.offsetLeft ?? 0,
    top: visual?.offsetTop ?? 0,
    width: visual?.width ?? document.documentElement.clientWidth,
    height: visual?.height ?? document.documentElement.clientHeight,
  };
}

/** Where something goes beside a selection: above its first line, else below its end, always in view. */
export function place(
  line: Box,
  whole: Box | (() => Box),
  size: { width: number; height: number },
  view: Box,
): { left: number; top: number; side: 'above' | 'below' } {
  const above = line.top - GAP - size.height;
  const side = above >= view.top + GAP ? 'above' : 'below';
  let wanted = above;
  if (side === 'below') {
    const { top, height } = typeof whole === 'function' ? whole() : whole;
    wanted = top + height + GAP;
  }
  const within = (at: number, start: number, room: number, length: number) =>
    Math.max(start + GAP, Math.min(at, start + room - length - GAP));
  return {
    left: within(line.left + line.width / 2 - size.width / 2, view.left, view.width, size.width),
    top: within(wanted, view.top, view.height, size.height),
    side,
  };
}
