import { css } from 'lit';

/**
 * Typography of rendered Markdown. Everything is coloured by the element's custom properties, so that light, dark
 * and an integrator's theme need no rules here.
 */
export const markdownStyles = css`
  .ck-markdown {
    line-height: 1.6;
    overflow-wrap: anywhere;
    color: var(--ck-text);
  }

  .ck-markdown > :first-child {
    margin-block-start: 0;
  }

  .ck-markdown > :last-child {
    margin-block-end: 0;
  }

  .ck-markdown :is(p, ul, ol, blockquote) {
    margin-block: 0.75em;
    margin-inline: 0;
    padding: 0;
  }

  .ck-markdown :is(h1, h2, h3, h4, h5, h6) {
    margin-block: 1.5em 0.5em;
    font-weight: 650;
    line-height: 1.3;
    letter-spacing: -0.01em;
    text-wrap: balance;
  }

  .ck-markdown h1 {
    font-size: 1.45em;
  }

  .ck-markdown h2 {
    font-size: 1.25em;
  }

  .ck-markdown h3 {
    font-size: 1.1em;
  }

  .ck-markdown :is(h4, h5, h6) {
    font-size: 1em;
    letter-spacing: 0;
  }

  .ck-markdown :is(h5, h6) {
    color: var(--ck-text-muted);
  }

  .ck-markdown :is(h1, h2, h3, h4, h5, h6) + * {
    margin-block-start: 0.5em;
  }

  .ck-markdown strong {
    font-weight: 650;
  }

  .ck-markdown del {
    color: var(--ck-text-muted);
  }

  /* The indent is each item's own margin, on the side of its marker. */
  .ck-markdown li {
    margin-block: 0.25em;
    margin-inline-start: 1.5em;
    padding-inline-start: 0.15em;
  }

  .ck-markdown ol > li {
    margin-inline-start: 1.75em;
  }

  .ck-markdown li::marker {
    color: var(--ck-text-muted);
    font-variant-numeric: tabular-nums;
  }

  .ck-markdown li > p {
    margin-block: 0;
  }

  .ck-markdown li > * + * {
    margin-block-start: 0.35em;
  }

  .ck-markdown li > :is(ul, ol) {
    margin-block: 0.25em;
  }

  .ck-markdown .ck-loose > li {
    margin-block: 0.6em;
  }

  .ck-markdown .ck-loose > li > * + * {
    margin-block-start: 0.6em;
  }

  /* A paragraph has a direction of its own, but stands at its item's bullet. */
  .ck-markdown li > p {
    text-align: -webkit-match-parent;
    text-align: match-parent;
  }

  .ck-markdown li.ck-task {
    list-style: none;
  }

  .ck-markdown .ck-task input {
    inline-size: 1em;
    block-size: 1em;
    margin-block: 0;
    margin-inline: -1.45em 0.45em;
    vertical-align: -0.1em;
    accent-color: var(--ck-accent);
  }

  .ck-markdown blockquote {
    padding-inline-start: 0.9em;
    border-inline-start: 3px solid var(--ck-border);
    color: var(--ck-text-muted);
  }

  .ck-markdown blockquote > :first-child {
    margin-block-start: 0;
  }

  .ck-markdown blockquote > :last-child {
    margin-block-end: 0;
  }

  .ck-markdown hr {
    block-size: 1px;
    margin-block: 1.5em;
    margin-inline: 0;
    border: 0;
    background: var(--ck-border);
  }

  .ck-markdown a {
    border-radius: 2px;
    color: var(--ck-accent);
    text-decoration: underline;
    text-decoration-color: color-mix(in srgb, currentcolor 35%, transparent);
    text-decoration-thickness: 1px;
    text-underline-offset: 0.2em;
  }

  .ck-markdown a:hover {
    text-decoration-color: currentcolor;
  }

  .ck-markdown :is(a, button, .ck-scroll):focus-visible {
    outline: 2px solid var(--ck-accent);
    outline-offset: 2px;
  }

  .ck-markdown .ck-scroll:focus-visible {
    outline-offset: -2px;
  }

  .ck-markdown .ck-link-pending {
    color: var(--ck-accent);
  }

  .ck-markdown img {
    display: block;
    max-inline-size: 100%;
    block-size: auto;
    margin-block: 0.5em;
    border-radius: var(--ck-radius-md);
  }

  .ck-markdown .ck-image-blocked::before {
    content: '';
    display: inline-block;
    inline-size: 0.85em;
    block-size: 0.7em;
    margin-inline-end: 0.35em;
    border: 1.5px solid currentcolor;
    border-radius: 2px;
    opacity: 0.7;
  }

  .ck-markdown code {
    font-family: var(--ck-font-mono);
    font-size: 0.875em;
    font-variant-ligatures: none;
  }

  .ck-markdown :not(pre) > code {
    padding-block: 0.12em;
    padding-inline: 0.35em;
    border-radius: 0.35em;
    background: var(--ck-code-bg);
    box-decoration-break: clone;
    -webkit-box-decoration-break: clone;
    unicode-bidi: isolate;
  }

  .ck-markdown .ck-code {
    margin-block: 1em;
  }

  .ck-markdown .ck-code-box {
    overflow: hidden;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    background: var(--ck-code-bg);
  }

  .ck-markdown .ck-code-head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    min-block-size: 2rem;
    padding-block: 0.15rem;
    padding-inline: 0.85rem 0.3rem;
    border-block-end: 1px solid var(--ck-border);
    color: var(--ck-text-muted);
    font-size: 0.8em;
  }

  .ck-markdown .ck-code-language {
    overflow: hidden;
    font-family: var(--ck-font-mono);
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .ck-markdown .ck-code-copy {
    flex: none;
    min-block-size: 1.75rem;
    padding-block: 0.2em;
    padding-inline: 0.65em;
    border: 0;
    border-radius: calc(var(--ck-radius-md) * 0.6);
    background: transparent;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }

  .ck-markdown .ck-code-copy:hover {
    background: color-mix(in srgb, var(--ck-text) 8%, transparent);
    color: var(--ck-text);
  }

  .ck-markdown .ck-code-copy.ck-copied {
    color: var(--ck-text);
  }

  .ck-markdown .ck-code-copy.ck-copied::before {
    content: '✓';
    margin-inline-end: 0.4em;
  }

  .ck-markdown :is(.ck-code-status, .ck-copy-source) {
    position: absolute;
    overflow: hidden;
    inline-size: 1px;
    block-size: 1px;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  .ck-markdown pre {
    overflow: auto;
    max-block-size: 32rem;
    margin: 0;
    padding-block: 0.8rem;
    padding-inline: 0.95rem;
    line-height: 1.55;
    tab-size: 2;
    scrollbar-width: thin;
    overflow-wrap: normal;
  }

  .ck-markdown .ck-table {
    overflow-x: auto;
    max-inline-size: 100%;
    inline-size: fit-content;
    margin-block: 1em;
    margin-inline: 0 auto;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    scrollbar-width: thin;
  }

  .ck-markdown table {
    border-collapse: collapse;
    font-size: 0.925em;
    font-variant-numeric: tabular-nums;
    line-height: 1.45;
  }

  .ck-markdown :is(th, td) {
    min-inline-size: 4em;
    max-inline-size: 24em;
    padding-block: 0.5em;
    padding-inline: 0.8em;
    text-align: -webkit-match-parent;
    text-align: match-parent;
    vertical-align: top;
    overflow-wrap: break-word;
  }

  .ck-markdown th {
    background: var(--ck-surface-raised);
    font-weight: 600;
  }

  .ck-markdown td {
    border-block-start: 1px solid var(--ck-border);
  }

  .ck-markdown .ck-center {
    text-align: center;
  }

  .ck-markdown .ck-right {
    text-align: right;
  }

  .ck-markdown .ck-math-block {
    overflow: auto hidden;
    margin-block: 1em;
    text-align: center;
  }

  .ck-markdown .ck-math-display {
    display: block;
    overflow: auto hidden;
    padding-block: 0.2em;
    text-align: center;
  }

  .ck-markdown .ck-math-display math {
    display: block math;
  }

  .ck-markdown math {
    font-size: 1.1em;
  }

  .ck-markdown :is(.ck-math-open, .ck-math-failed) {
    color: var(--ck-text-muted);
    font-family: var(--ck-font-mono);
    font-size: 0.875em;
    white-space: pre-wrap;
  }

  .ck-markdown .ck-cites {
    margin-block: 0.4em 0;
  }

  .ck-markdown .hljs-comment,
  .ck-markdown .hljs-quote,
  .ck-markdown .hljs-meta {
    color: var(--ck-syntax-comment);
  }

  .ck-markdown .hljs-comment,
  .ck-markdown .hljs-emphasis {
    font-style: italic;
  }

  .ck-markdown .hljs-strong {
    font-weight: 650;
  }

  .ck-markdown .hljs-keyword,
  .ck-markdown .hljs-selector-tag,
  .ck-markdown .hljs-literal,
  .ck-markdown .hljs-doctag,
  .ck-markdown .hljs-name,
  .ck-markdown .hljs-operator {
    color: var(--ck-syntax-keyword);
  }

  .ck-markdown .hljs-string,
  .ck-markdown .hljs-regexp,
  .ck-markdown .hljs-addition,
  .ck-markdown .hljs-code,
  .ck-markdown .hljs-link {
    color: var(--ck-syntax-string);
  }

  .ck-markdown .hljs-number,
  .ck-markdown .hljs-symbol,
  .ck-markdown .hljs-bullet,
  .ck-markdown .hljs-variable.constant_ {
    color: var(--ck-syntax-number);
  }

  .ck-markdown .hljs-title,
  .ck-markdown .hljs-section,
  .ck-markdown .hljs-selector-class,
  .ck-markdown .hljs-selector-id {
    color: var(--ck-syntax-title);
  }

  .ck-markdown .hljs-deletion {
    color: var(--ck-danger);
  }

  .ck-markdown .hljs-attr,
  .ck-markdown .hljs-attribute,
  .ck-markdown .hljs-built_in,
  .ck-markdown .hljs-type,
  .ck-markdown .hljs-variable,
  .ck-markdown .hljs-template-variable,
  .ck-markdown .hljs-selector-attr,
  .ck-markdown .hljs-selector-pseudo {
    color: var(--ck-syntax-attr);
  }
`;
