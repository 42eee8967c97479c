/** Closer than this to the end counts as reading the end. Pixels. */
const NEAR_BOTTOM = 48;
/** Growth in one step by more than this part of the view is a burst. */
const BURST = 0.7;
/** Room above a question that is put at the top of the view. Pixels. */
const MARGIN = 16;
/** Closer than this to the beginning asks for older messages. Pixels. */
const NEAR_TOP = 240;

/**
 * Keeps a scroller where its reader wants it: at the end while the answer grows,
 * and where they are when older messages are put before it.
 */
export class ScrollKeeper {
  #scroller: HTMLElement | null = null;
  #content: HTMLElement | null = null;
  #observer: ResizeObserver | null = null;
  #stick = true;
  #lastTop = 0;
  #atBottom = true;
  readonly #onAtBottom: (atBottom: boolean) => void;
  readonly #onNearTop: () => void;
  /** Whether growth is followed at all (`thread.autoScroll`). */
  follow = true;
  /** Whether an answer is coming: one that comes all at once is shown from its beginning. */
  answering = false;

  constructor(callbacks: { onAtBottom: (atBottom: boolean) => void; onNearTop: () => void }) {
    this.#onAtBottom = callbacks.onAtBottom;
    this.#onNearTop = callbacks.onNearTop;
  }

  attach(scroller: HTMLElement, content: HTMLElement): void {
    if (this.#scroller === scroller) return;
    this.detach();
    this.#scroller = scroller;
    this.#content = content;
    scroller.addEventListener('scroll', this.#onScroll, { passive: true });
    // After layout and before paint: following the text never shows a jump.
    this.#observer = new ResizeObserver(() => this.#grown());
    this.#observer.observe(content);
    this.#observer.observe(scroller);
  }

  detach(): void {
    this.#observer?.disconnect();
    this.#scroller?.removeEventListener('scroll', this.#onScroll);
    this.#scroller = null;
    this.#stick = true;
  }

  /** Goes to the end and stays there. */
  toBottom(smooth = false): void {
    this.#stick = true;
    const scroller = this.#scroller;
    if (scroller === null) return;
    scroller.scrollTo({ top: scroller.scrollHeight, behavior: smooth ? 'smooth' : 'instant' });
    this.#measure();
  }

  /** Call before older content is put in; the result puts the reader back where they were. */
  holdPosition(): () => void {
    const scroller = this.#scroller;
    const anchor = this.#firstInView();
    if (scroller === null || anchor === undefined) return () => undefined;
    // By what the reader looks at, not by the height of the whole: browsers report that
    // rounded, so that the text would creep by a pixel or two with every page.
    const before = anchor.getBoundingClientRect().top;
    return () => {
      // On the way to the end: a smooth scroll does not survive what was put in.
      if (this.#stick) return this.toBottom();
      scroller.scrollTop += anchor.getBoundingClientRect().top - before;
      this.#lastTop = scroller.scrollTop;
    };
  }

  #grown(): void {
    const scroller = this.#scroller;
    if (scroller === null) return;
    if (this.#stick && this.follow) {
      const end = scroller.scrollHeight - scroller.clientHeight;
      const burst = end - scroller.scrollTop > scroller.clientHeight * BURST;
      const question = this.answering && burst ? this.#lastQuestion() : undefined;
      if (question !== undefined) {
        // Nobody can have read it: stay where it begins, with what was asked above it.
        const above = question.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
        scroller.scrollTop += above - MARGIN;
        this.#stick = false;
      } else {
        scroller.scrollTop = scroller.scrollHeight;
      }
      this.#lastTop = scroller.scrollTop;
    }
    this.#measure();
  }

  readonly #onScroll = (): void => {
    const scroller = this.#scroller;
    if (scroller === null) return;
    // Only the reader scrolls up; growth and following go down.
    if (scroller.scrollTop < this.#lastTop - 1) this.#stick = false;
    this.#lastTop = scroller.scrollTop;
    this.#measure();
    if (this.#atBottom) this.#stick = true;
    if (scroller.scrollTop < NEAR_TOP) this.#onNearTop();
  };

  #lastQuestion(): Element | undefined {
    return [...(this.#content?.querySelectorAll('.user') ?? [])].at(-1);
  }

  /** The message at the upper edge of the view, or the first one below it. */
  #firstInView(): Element | undefined {
    const edge = this.#scroller?.getBoundingClientRect().top ?? 0;
    return [...(this.#content?.querySelectorAll('.messages > :not(.older)') ?? [])].find(
      (message) => message.getBoundingClientRect().bottom > edge,
    );
  }

  #measure(): void {
    const scroller = this.#scroller;
    if (scroller === null) return;
    const distance = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    const atBottom = distance < NEAR_BOTTOM;
    if (atBottom === this.#atBottom) return;
    this.#atBottom = atBottom;
    this.#onAtBottom(atBottom);
  }
}
