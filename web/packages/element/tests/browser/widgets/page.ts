import type { StructuredInputItem, StructuredInputSubmission } from '@parlor/client';
import { html, render } from 'lit';
import { markdownStyles } from '../../../src/markdown/index.js';
import { styles } from '../../../src/styles.js';
import { ThemeSheet } from '../../../src/theme.js';
import { questions, widget } from '../../../src/widgets/slot.js';

/** What an action came with, as plain data. */
export interface Sent {
  type: string;
  payload: unknown;
  handler: string;
  streaming: boolean;
  source: string;
}

export interface WidgetPage {
  sent: Sent[];
  submissions: StructuredInputSubmission[];
  errors: string[];
  /** How the next actions end. `hold` leaves them open until `settle`. */
  answer: 'done' | 'fail' | 'hold';
  settle(): void;
  open(options?: { scheme?: 'light' | 'dark'; width?: number; domains?: string[]; rtl?: boolean }): void;
  show(...widgets: unknown[]): void;
  ask(...items: StructuredInputItem[]): void;
  root(): ShadowRoot;
}

let host: HTMLElement | undefined;
let place: HTMLElement;
let theme: { colorScheme: 'light' | 'dark' } = { colorScheme: 'light' };
let domains: string[] = [];
let waiting: (() => void)[] = [];

const api: WidgetPage = {
  sent: [],
  submissions: [],
  errors: [],
  answer: 'done',
  settle() {
    for (const done of waiting.splice(0)) done();
  },
  open({ scheme = 'light', width = 440, domains: allowed = [], rtl = false } = {}) {
    host?.remove();
    waiting = [];
    Object.assign(api, { sent: [], submissions: [], errors: [], answer: 'done' });
    theme = { colorScheme: scheme };
    domains = allowed;
    host = document.createElement('main');
    host.dir = rtl ? 'rtl' : 'ltr';
    host.style.setProperty('width', `${width}px`);
    document.body.style.setProperty('margin', '0');
    document.body.append(host);
    const shadow = host.attachShadow({ mode: 'open' });
    const sheet = new ThemeSheet();
    sheet.apply(theme);
    const scroll = new CSSStyleSheet();
    scroll.replaceSync(
      ':host { block-size: auto !important; overflow: visible !important; } .place { display: grid; gap: 20px; padding: 16px; }',
    );
    shadow.adoptedStyleSheets = [
      ...([styles, markdownStyles].map((part) => part.styleSheet) as CSSStyleSheet[]),
      sheet.sheet,
      scroll,
    ];
    place = document.createElement('div');
    place.className = 'place';
    shadow.append(place);
  },
  show(...widgets) {
    render(
      widgets.map(
        (content) =>
          html`<div
            ${widget(
              { widget: content, fallback: () => 'fallback' },
              {
                theme,
                markdown: {
                  allowedImageDomains: domains,
                  strings: { copyCode: 'Copy code', copied: 'Copied' },
                },
                mayFocus: () => true,
                onError: (error) => api.errors.push(error.message),
                onAction: (action, source) => {
                  const { type, payload, handler, streaming } = action;
                  api.sent.push({ type, payload, handler, streaming, source: source.type });
                  if (api.answer === 'fail') return Promise.reject(new Error('The server had a problem.'));
                  return api.answer === 'hold'
                    ? new Promise((resolve) => {
                        waiting.push(resolve);
                      })
                    : Promise.resolve();
                },
              },
            )}
          ></div>`,
      ),
      place,
    );
  },
  ask(...items) {
    render(
      items.map(
        (item) =>
          html`<div
            ${questions(item, {
              disabled: false,
              onSubmit: (submission) => {
                api.submissions.push(submission);
                return api.answer === 'fail'
                  ? Promise.reject(new Error('The server had a problem.'))
                  : Promise.resolve();
              },
            })}
          ></div>`,
      ),
      place,
    );
  },
  root: () => host?.shadowRoot as ShadowRoot,
};

(globalThis as unknown as { widgets: WidgetPage }).widgets = api;
