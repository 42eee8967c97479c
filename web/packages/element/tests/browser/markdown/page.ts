import { type MarkdownAnnotation, markdownStyles, StreamingMarkdown } from '../../../src/markdown/index.js';

/** A citation as plain data, since functions do not cross into the page. */
export interface Cite {
  index: number;
  key: string;
}

export interface MarkdownPage {
  links: string[];
  pwned: number;
  open(domains?: string[], theme?: Record<string, string>): void;
  update(text: string, done: boolean, cites?: Cite[]): void;
  stream(text: string, step: number): void;
  html(): string;
  text(): string;
  root(): ShadowRoot;
  close(): void;
  measure(text: string, step: number): Promise<{ costs: number[]; longest: number }>;
}

let host: HTMLElement | undefined;
let container: HTMLElement;
let markdown: StreamingMarkdown;

function annotations(cites: Cite[]): MarkdownAnnotation[] {
  return cites.map(({ index, key }) => ({
    index,
    key,
    render() {
      const chip = document.createElement('a');
      chip.href = `#${key}`;
      chip.className = 'chip';
      chip.textContent = key;
      return chip;
    },
  }));
}

const api: MarkdownPage = {
  links: [],
  pwned: 0,
  open(domains = [], theme = {}) {
    api.close();
    host = document.createElement('div');
    for (const [name, value] of Object.entries(theme)) host.style.setProperty(name, value);
    document.body.append(host);
    const root = host.attachShadow({ mode: 'open' });
    if (markdownStyles.styleSheet) root.adoptedStyleSheets = [markdownStyles.styleSheet];
    container = document.createElement('div');
    root.append(container);
    markdown = new StreamingMarkdown(container, {
      allowedImageDomains: domains,
      strings: { copyCode: 'Copy code', copied: 'Copied' },
      onLink({ href, originalEvent }) {
        originalEvent.preventDefault();
        api.links.push(href);
      },
    });
  },
  update(text, done, cites = []) {
    markdown.update(text, annotations(cites), done);
    markdown.finish();
  },
  stream(text, step) {
    for (let at = step; at < text.length; at += step) markdown.update(text.slice(0, at), [], false);
    markdown.update(text, [], true);
    markdown.finish();
  },
  html: () => container.innerHTML,
  text: () => container.textContent ?? '',
  root: () => host?.shadowRoot as ShadowRoot,
  close() {
    if (!host) return;
    markdown.destroy();
    host.remove();
    host = undefined;
  },
  /** Streams in steps, one for each frame, and times every update with the layout it causes. */
  async measure(text, step) {
    const costs: number[] = [];
    let longest = 0;
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
    });
    observer.observe({ type: 'longtask' });
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    for (let at = step; ; at += step) {
      const done = at >= text.length;
      const before = performance.now();
      markdown.update(text.slice(0, at), [], done);
      void container.offsetHeight;
      costs.push(performance.now() - before);
      await frame();
      if (done) break;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    observer.disconnect();
    return { costs, longest };
  },
};

(globalThis as unknown as { md: MarkdownPage }).md = api;
