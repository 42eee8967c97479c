import { css } from 'lit';

/**
 * The element's look. Everything that a theme may change is a `--ck-*` custom
 * property (see `theme.ts`); spaces are multiples of `--ck-space`. Only logical
 * properties, so that right-to-left needs no rules of its own.
 */
export const styles = css`
  :host {
    display: block;
    box-sizing: border-box;
    inline-size: 100%;
    block-size: 100%;
    min-block-size: 18rem;
    container-type: inline-size;
    overflow: hidden;
    color: var(--ck-text);
    background: var(--ck-surface);
    font-family: var(--ck-font);
    font-size: var(--ck-font-size, 15px);
    line-height: 1.55;
    font-weight: 400;
    font-style: normal;
    letter-spacing: normal;
    text-align: start;
    -webkit-font-smoothing: antialiased;
    -webkit-text-size-adjust: 100%;
    text-size-adjust: 100%;
    --ck-ease: cubic-bezier(0.2, 0.7, 0.2, 1);
    --ck-column: 46rem;
    --ck-gutter: calc(var(--ck-space) * 5);
  }

  :host([hidden]) {
    display: none;
  }

  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }

  button,
  input,
  textarea {
    font: inherit;
    color: inherit;
    letter-spacing: inherit;
  }

  button {
    -webkit-tap-highlight-color: transparent;
    touch-action: manipulation;
    cursor: pointer;
  }

  button:disabled {
    cursor: default;
  }

  :where(button, a, input, textarea, summary, .scroll):focus-visible {
    outline: 2px solid var(--ck-accent);
    outline-offset: 2px;
  }

  h2,
  h3,
  h4,
  p,
  ul,
  ol,
  blockquote {
    margin: 0;
    padding: 0;
  }

  .sr-only {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    margin: -1px;
    padding: 0;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
    border: 0;
  }

  .icon {
    inline-size: 1.2em;
    block-size: 1.2em;
    flex: none;
    display: block;
  }

  .muted {
    color: var(--ck-text-muted);
  }

  /* ------------------------------------------------ frame */

  .root {
    position: relative;
    block-size: 100%;
    overflow: hidden;
  }

  .main {
    block-size: 100%;
    display: flex;
    flex-direction: column;
  }

  .header {
    flex: none;
    display: grid;
    grid-template-columns: minmax(max-content, 1fr) minmax(0, auto) minmax(max-content, 1fr);
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    min-block-size: calc(var(--ck-space) * 13);
    padding-inline: calc(var(--ck-space) * 2.5);
    padding-block: calc(var(--ck-space) * 1.5);
  }

  .header-side {
    display: flex;
    align-items: center;
    gap: var(--ck-space);
  }

  .header-side.end {
    justify-content: flex-end;
  }

  .title {
    font-size: 0.933em;
    font-weight: 550;
    letter-spacing: -0.006em;
    line-height: 1.3;
    text-align: center;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    animation: fade 240ms var(--ck-ease);
  }

  .scroll {
    flex: 1 1 auto;
    min-block-size: 0;
    overflow-x: hidden;
    overflow-y: auto;
    overscroll-behavior: contain;
    /* The element keeps the reader's place itself; two keepers would fight. */
    overflow-anchor: none;
    scrollbar-width: thin;
    scrollbar-color: var(--ck-border-strong) transparent;
  }

  .scroll:focus-visible {
    outline-offset: -3px;
    border-radius: var(--ck-radius-sm);
  }

  .column {
    max-inline-size: var(--ck-column);
    margin-inline: auto;
    padding-inline: var(--ck-gutter);
    min-block-size: 100%;
    display: flex;
    flex-direction: column;
  }

  .dock {
    flex: none;
    position: relative;
    padding-block-end: max(calc(var(--ck-space) * 3.5), env(safe-area-inset-bottom));
  }

  .dock::before {
    content: '';
    position: absolute;
    inset-inline: 0;
    inset-block-end: 100%;
    block-size: calc(var(--ck-space) * 7);
    background: linear-gradient(to top, var(--ck-surface), transparent);
    pointer-events: none;
  }

  .dock-column {
    position: relative;
    max-inline-size: var(--ck-column);
    margin-inline: auto;
    padding-inline: calc(var(--ck-gutter) - var(--ck-space));
  }

  /* ------------------------------------------------ buttons */

  .icon-button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    flex: none;
    inline-size: 36px;
    block-size: 36px;
    padding: 0;
    border: 0;
    border-radius: var(--ck-radius-sm);
    background: transparent;
    color: var(--ck-text-muted);
    transition:
      background-color 140ms,
      color 140ms,
      transform 140ms var(--ck-ease);
  }

  .icon-button.small {
    inline-size: 30px;
    block-size: 30px;
    font-size: 0.867em;
  }

  .icon-button:hover:not(:disabled) {
    background: var(--ck-hover);
    color: var(--ck-text);
  }

  .icon-button:active:not(:disabled) {
    background: var(--ck-active);
    transform: scale(0.95);
  }

  .icon-button:disabled,
  .icon-button[aria-disabled='true'] {
    opacity: 0.4;
  }

  .icon-button[aria-pressed='true'] {
    color: var(--ck-text);
  }

  .icon-button[aria-pressed='true'] .icon {
    fill: color-mix(in oklab, currentColor 26%, transparent);
  }

  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: calc(var(--ck-space) * 2);
    min-block-size: 36px;
    padding: 6px 14px;
    border: 1px solid transparent;
    border-radius: var(--ck-radius-full);
    background: var(--ck-primary);
    color: var(--ck-on-primary);
    font-size: 0.9em;
    font-weight: 550;
    line-height: 1.3;
    transition:
      background-color 140ms,
      border-color 140ms,
      opacity 140ms,
      transform 140ms var(--ck-ease);
  }

  .button.small {
    min-block-size: 30px;
    padding: 4px 12px;
    font-size: 0.867em;
    font-variant-numeric: tabular-nums;
  }

  .button:hover:not(:disabled) {
    opacity: 0.88;
  }

  .button:active:not(:disabled) {
    transform: scale(0.98);
  }

  .button:disabled {
    background: var(--ck-active);
    color: var(--ck-text-muted);
  }

  .button.quiet {
    background: transparent;
    border-color: var(--ck-border-strong);
    color: var(--ck-text);
  }

  .button.quiet:hover:not(:disabled) {
    background: var(--ck-hover);
    opacity: 1;
  }

  .button.danger {
    background: var(--ck-danger);
    color: var(--ck-surface);
  }

  .button[aria-disabled='true'] {
    background: var(--ck-active);
    color: var(--ck-text-muted);
    cursor: default;
  }

  .text-button {
    display: inline-flex;
    align-items: center;
    gap: calc(var(--ck-space) * 0.75);
    max-inline-size: 12rem;
    min-block-size: 32px;
    padding: 4px 8px;
    border: 0;
    border-radius: var(--ck-radius-sm);
    background: transparent;
    color: var(--ck-text-muted);
    font-size: 0.867em;
    white-space: nowrap;
    transition:
      background-color 140ms,
      color 140ms;
  }

  .text-button > span {
    overflow: hidden;
    text-overflow: ellipsis;
  }

  .text-button:hover,
  .text-button[aria-expanded='true'] {
    background: var(--ck-hover);
    color: var(--ck-text);
  }

  .chip-button {
    display: inline-flex;
    align-items: center;
    gap: calc(var(--ck-space) * 1.5);
    min-block-size: 32px;
    padding: 4px 11px;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-full);
    background: transparent;
    color: var(--ck-text-muted);
    font-size: 0.867em;
    white-space: nowrap;
    transition:
      background-color 140ms,
      border-color 140ms,
      color 140ms;
  }

  .chip-button:hover {
    background: var(--ck-hover);
    color: var(--ck-text);
  }

  .chip-button[aria-pressed='true'] {
    border-color: color-mix(in oklab, var(--ck-accent) 40%, var(--ck-border));
    background: color-mix(in oklab, var(--ck-accent) 9%, transparent);
    color: var(--ck-accent);
  }

  /* ------------------------------------------------ start */

  .start {
    flex: 1;
    display: flex;
    flex-direction: column;
    justify-content: flex-end;
    gap: calc(var(--ck-space) * 5);
    padding-block: calc(var(--ck-space) * 8) calc(var(--ck-space) * 4);
    animation: rise 420ms var(--ck-ease);
  }

  .greeting {
    font-size: clamp(1.45em, 1.1em + 2.2cqi, 1.95em);
    font-weight: 600;
    line-height: 1.2;
    letter-spacing: -0.022em;
    text-wrap: balance;
  }

  .prompts {
    list-style: none;
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    margin-inline: calc(var(--ck-space) * -2.5);
  }

  .prompts li + li {
    border-block-start: 1px solid var(--ck-border);
    margin-inline: calc(var(--ck-space) * 2.5);
  }

  .prompts li + li .prompt {
    margin-inline: calc(var(--ck-space) * -2.5);
    inline-size: calc(100% + var(--ck-space) * 5);
  }

  .prompt {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 3);
    inline-size: 100%;
    padding: calc(var(--ck-space) * 2.75) calc(var(--ck-space) * 2.5);
    margin-block: 3px;
    border: 0;
    border-radius: var(--ck-radius-md);
    background: transparent;
    color: var(--ck-text);
    text-align: start;
    line-height: 1.4;
    transition: background-color 140ms;
  }

  .prompts li:first-child .prompt {
    margin-inline: 0;
  }

  .prompt:hover:not(:disabled) {
    background: var(--ck-hover);
  }

  .prompt:active:not(:disabled) {
    background: var(--ck-active);
  }

  .prompt-icon {
    color: var(--ck-text-muted);
    transition: color 140ms;
  }

  .prompt:hover .prompt-icon {
    color: var(--ck-accent);
  }

  .prompt-label {
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  /* ------------------------------------------------ messages */

  .messages {
    flex: 1;
    display: flex;
    flex-direction: column;
    position: relative;
    padding-block: calc(var(--ck-space) * 4) calc(var(--ck-space) * 10);
  }

  .messages > * + * {
    margin-block-start: calc(var(--ck-space) * 3);
  }

  .messages > * + .user,
  .messages > .user + * {
    margin-block-start: calc(var(--ck-space) * 6.5);
  }

  .message {
    min-inline-size: 0;
    max-inline-size: 100%;
  }

  .user {
    display: flex;
    flex-direction: column;
    align-items: flex-end;
    gap: calc(var(--ck-space) * 1.5);
  }

  /* Only what was just sent: a thread that is opened stands still, also for whoever measures it. */
  .user[data-pending='true'] {
    animation: rise 260ms var(--ck-ease);
  }

  .bubble {
    max-inline-size: min(85%, 34rem);
    padding: calc(var(--ck-space) * 2.25) calc(var(--ck-space) * 4);
    border-radius: var(--ck-radius-lg);
    /* Where the bubble hangs is the surface's direction, not that of its text. */
    border-bottom-right-radius: var(--ck-radius-xs);
    background: var(--ck-bubble);
    color: var(--ck-bubble-text);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    line-height: 1.5;
  }

  .user:dir(rtl) .bubble {
    border-bottom-right-radius: var(--ck-radius-lg);
    border-bottom-left-radius: var(--ck-radius-xs);
  }

  button.tag {
    max-inline-size: 100%;
    border: 0;
    font: inherit;
    font-weight: 500;
    cursor: pointer;
    transition: background-color 140ms;
  }

  button.tag:hover {
    background: color-mix(in oklab, var(--ck-accent) 18%, transparent);
  }

  .tag {
    padding: 1px 6px;
    border-radius: var(--ck-radius-xs);
    background: color-mix(in oklab, var(--ck-accent) 10%, transparent);
    color: color-mix(in oklab, var(--ck-accent) 80%, var(--ck-text));
    font-weight: 500;
  }

  .quoted {
    display: flex;
    gap: calc(var(--ck-space) * 1.5);
    max-inline-size: min(85%, 34rem);
    color: var(--ck-text-muted);
    font-size: 0.9em;
    line-height: 1.45;
  }

  .quoted .icon {
    margin-block-start: 0.15em;
  }

  .quoted span {
    display: -webkit-box;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
    overflow: hidden;
  }

  .not-sent {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 1.25);
    color: var(--ck-danger);
    font-size: 0.85em;
  }

  .assistant {
    overflow-wrap: break-word;
  }

  .assistant .md {
    font-size: 1em;
    line-height: 1.65;
  }

  .assistant .md + .md {
    margin-block-start: calc(var(--ck-space) * 3);
  }

  .md > :first-child {
    margin-block-start: 0;
  }

  .md > :last-child {
    margin-block-end: 0;
  }

  /* Inline, not inline-flex: text may break before an atomic box, and a citation
     must not begin a line without the words it belongs to. */
  .assistant .cite {
    display: inline;
    padding: 0.14em 0.5em;
    margin-inline: 0.25em 0.06em;
    border: 0;
    border-radius: var(--ck-radius-full);
    background: color-mix(in oklab, var(--ck-accent) 11%, var(--ck-surface));
    color: var(--ck-accent);
    font-family: var(--ck-font);
    font-size: 0.7em;
    font-weight: 600;
    line-height: 1;
    font-variant-numeric: tabular-nums;
    text-decoration: none;
    vertical-align: 0.22em;
    white-space: nowrap;
    transition:
      background-color 140ms,
      color 140ms;
  }

  .assistant a.cite:hover,
  .assistant button.cite:hover {
    background: var(--ck-accent);
    color: var(--ck-surface);
    text-decoration: none;
  }

  .assistant span.cite {
    background: var(--ck-active);
    color: var(--ck-text-muted);
  }

  .sources {
    margin-block-start: calc(var(--ck-space) * 4);
  }

  .sources-title {
    margin-block-end: calc(var(--ck-space) * 1.5);
    color: var(--ck-text-muted);
    font-size: 0.8em;
    font-weight: 550;
  }

  .source-list {
    list-style: none;
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    margin-inline: calc(var(--ck-space) * -2);
  }

  .source {
    display: flex;
    align-items: baseline;
    gap: calc(var(--ck-space) * 2);
    inline-size: fit-content;
    max-inline-size: 100%;
    min-block-size: 30px;
    padding: calc(var(--ck-space) * 1) calc(var(--ck-space) * 2);
    border: 0;
    border-radius: var(--ck-radius-sm);
    background: transparent;
    color: var(--ck-text);
    font-size: 0.88em;
    text-align: start;
    text-decoration: none;
    line-height: 1.5;
    transition:
      background-color 140ms,
      color 140ms;
  }

  a.source:hover,
  button.source:hover {
    background: var(--ck-hover);
  }

  a.source:hover .source-title {
    text-decoration: underline;
    text-decoration-color: var(--ck-border-strong);
    text-underline-offset: 3px;
  }

  .source-number {
    flex: none;
    display: grid;
    place-items: center;
    align-self: center;
    min-inline-size: 1.65em;
    block-size: 1.65em;
    border-radius: var(--ck-radius-full);
    background: color-mix(in oklab, var(--ck-accent) 11%, var(--ck-surface));
    color: var(--ck-accent);
    font-size: 0.78em;
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }

  .source-text {
    display: flex;
    align-items: baseline;
    gap: calc(var(--ck-space) * 2);
    min-inline-size: 0;
  }

  .source-title,
  .source-place {
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .source-title {
    flex: 0 1 auto;
    font-weight: 500;
  }

  .source-place {
    flex: 0 1000 auto;
    min-inline-size: 4em;
    color: var(--ck-text-muted);
    font-size: 0.92em;
  }

  .actions {
    display: flex;
    gap: 2px;
    margin-block-start: calc(var(--ck-space) * 1.5);
    margin-inline-start: -7px;
    animation: fade 240ms var(--ck-ease);
  }

  .copy .icon-check,
  .copy[data-copied] .icon-copy {
    display: none;
  }

  .copy[data-copied] .icon-check {
    display: block;
    color: var(--ck-success);
  }

  /* ------------------------------------------------ activity */

  .activity {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    min-block-size: 1.65em;
    color: var(--ck-text-muted);
    font-size: 0.933em;
    animation: fade 300ms var(--ck-ease);
  }

  .pulse {
    flex: none;
    inline-size: 9px;
    block-size: 9px;
    margin-inline: 3px;
    border-radius: 999px;
    background: var(--ck-text);
    animation: pulse 1.4s ease-in-out infinite;
  }

  .shimmer {
    background: linear-gradient(
        90deg,
        var(--ck-text-muted) 0%,
        var(--ck-text-muted) 40%,
        var(--ck-text) 50%,
        var(--ck-text-muted) 60%,
        var(--ck-text-muted) 100%
      )
      0 0 / 250% 100%;
    background-clip: text;
    -webkit-background-clip: text;
    -webkit-text-fill-color: transparent;
    animation: shimmer 2.2s linear infinite;
  }

  .spinner {
    display: inline-block;
    inline-size: 15px;
    block-size: 15px;
    border: 2px solid var(--ck-border-strong);
    border-block-start-color: var(--ck-text);
    border-radius: 999px;
    animation: spin 800ms linear infinite;
  }

  /* Takes no room: the reader stays where they are when it comes and goes. */
  .older {
    position: absolute;
    inset-inline: 0;
    inset-block-start: 0;
    display: flex;
    justify-content: center;
  }

  .messages > .older + * {
    margin-block-start: 0;
  }

  /* ------------------------------------------------ workflows, tasks, cards */

  .workflow,
  .workflow-line,
  .messages > .task {
    color: var(--ck-text-muted);
    font-size: 0.92em;
  }

  .workflow summary,
  .workflow-line {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    min-block-size: 30px;
  }

  .workflow summary {
    inline-size: fit-content;
    max-inline-size: 100%;
    padding-inline: 8px;
    margin-inline: -8px;
    border-radius: var(--ck-radius-sm);
    list-style: none;
    cursor: pointer;
    transition:
      background-color 140ms,
      color 140ms;
  }

  .workflow summary::-webkit-details-marker {
    display: none;
  }

  .workflow summary:hover {
    background: var(--ck-hover);
    color: var(--ck-text);
  }

  .workflow-chevron {
    transition: transform 180ms var(--ck-ease);
    font-size: 0.867em;
  }

  .workflow[open] .workflow-chevron {
    transform: rotate(90deg);
  }

  .workflow-chevron:dir(rtl) {
    transform: scaleX(-1);
  }

  .workflow-tasks {
    list-style: none;
    padding-block: calc(var(--ck-space) * 2) var(--ck-space);
  }

  .task {
    position: relative;
    display: flex;
    gap: calc(var(--ck-space) * 2.25);
    padding-block-end: calc(var(--ck-space) * 3);
  }

  .task-icon {
    flex: none;
    display: grid;
    place-items: center;
    block-size: 1.5em;
  }

  .workflow-tasks .task:not(:last-child)::before {
    content: '';
    position: absolute;
    inset-block: 1.75em 0.15em;
    inset-inline-start: calc(0.6em - 0.5px);
    inline-size: 1px;
    background: var(--ck-border);
  }

  .task-content {
    min-inline-size: 0;
    flex: 1;
  }

  .task-title {
    color: var(--ck-text);
  }

  .task .task-text {
    color: var(--ck-text-muted);
    font-size: 1em;
    line-height: 1.55;
  }

  .task-queries,
  .task-sources {
    display: flex;
    flex-wrap: wrap;
    gap: var(--ck-space) calc(var(--ck-space) * 1.5);
    margin-block-start: var(--ck-space);
  }

  .task-query,
  .task-source {
    display: inline-flex;
    align-items: center;
    gap: 5px;
    max-inline-size: 100%;
    padding: 2px 9px;
    border-radius: var(--ck-radius-full);
    background: var(--ck-hover);
    color: var(--ck-text-muted);
    font-size: 0.9em;
    overflow: hidden;
    text-overflow: ellipsis;
    text-decoration: none;
  }

  a.task-source:hover {
    color: var(--ck-accent);
  }

  .card {
    padding: calc(var(--ck-space) * 3.5) calc(var(--ck-space) * 4);
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-sm);
  }

  .card > * + * {
    margin-block-start: calc(var(--ck-space) * 1.5);
  }

  .card ul {
    padding-inline-start: 1.2em;
  }

  .generated,
  .image-frame {
    position: relative;
    display: block;
    inline-size: fit-content;
    max-inline-size: min(24rem, 100%);
    padding: 0;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-surface-sunken);
    overflow: hidden;
  }

  .generated-image {
    display: block;
    max-inline-size: 100%;
    max-block-size: 24rem;
    min-block-size: 4rem;
    object-fit: contain;
    animation: fade 260ms var(--ck-ease);
  }

  button.generated {
    cursor: zoom-in;
    transition: border-color 140ms;
  }

  button.generated:hover {
    border-color: var(--ck-border-strong);
  }

  /* As wide as the image will be: what comes before it is small. */
  .generated.growing {
    inline-size: 100%;
  }

  .growing .generated-image {
    inline-size: 100%;
    filter: blur(14px);
    transform: scale(1.04);
    transition: filter 400ms;
  }

  /* In steps: a page's policy may allow no style in an attribute. */
  .growing[data-quarters='1'] .generated-image {
    filter: blur(10px);
  }

  .growing[data-quarters='2'] .generated-image {
    filter: blur(6px);
  }

  .growing:is([data-quarters='3'], [data-quarters='4']) .generated-image {
    filter: blur(2px);
  }

  .image-frame {
    display: grid;
    place-items: center;
    place-content: center;
    gap: calc(var(--ck-space) * 2);
    inline-size: 100%;
    aspect-ratio: 3 / 2;
    padding: calc(var(--ck-space) * 4);
    color: var(--ck-text-muted);
    text-align: center;
  }

  .image-frame .icon {
    font-size: 1.6em;
  }

  .image-frame[data-state='failed'] {
    aspect-ratio: auto;
  }

  .image-note {
    font-size: 0.9em;
  }

  /* ------------------------------------------------ banners */

  .banner {
    display: flex;
    flex-wrap: wrap;
    align-items: flex-start;
    gap: calc(var(--ck-space) * 2) calc(var(--ck-space) * 2.5);
    padding: calc(var(--ck-space) * 2.5) calc(var(--ck-space) * 2.5) calc(var(--ck-space) * 2.5)
      calc(var(--ck-space) * 3.5);
    border: 1px solid var(--banner-border);
    border-radius: var(--ck-radius-md);
    background: var(--banner-bg);
    font-size: 0.92em;
    line-height: 1.45;
    animation: rise 260ms var(--ck-ease);
  }

  .banner.info {
    --banner-bg: var(--ck-info-bg);
    --banner-border: var(--ck-info-border);
    --banner-color: var(--ck-info);
  }

  .banner.warning {
    --banner-bg: var(--ck-warning-bg);
    --banner-border: var(--ck-warning-border);
    --banner-color: var(--ck-warning);
  }

  .banner.danger {
    --banner-bg: var(--ck-danger-bg);
    --banner-border: var(--ck-danger-border);
    --banner-color: var(--ck-danger);
  }

  .banner-icon {
    color: var(--banner-color);
    padding-block-start: 6px;
  }

  .banner-body {
    flex: 1 1 11rem;
    min-inline-size: 0;
    padding-block: 4px;
    overflow-wrap: anywhere;
  }

  .banner-title {
    display: block;
    font-weight: 600;
  }

  .banner-detail {
    margin-block-start: 2px;
    color: var(--ck-text-muted);
    font-family: var(--ck-font-mono);
    font-size: 0.8em;
  }

  .banner-actions {
    display: flex;
    align-items: center;
    gap: var(--ck-space);
    margin-inline-start: auto;
  }

  /* ------------------------------------------------ composer */

  .composer {
    position: relative;
    padding: calc(var(--ck-space) * 1.5);
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-xl);
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-md);
    cursor: text;
    transition:
      border-color 160ms,
      box-shadow 160ms;
  }

  .composer:hover {
    border-color: var(--ck-border-strong);
  }

  .composer:focus-within {
    border-color: color-mix(in oklab, var(--ck-accent) 62%, var(--ck-border-strong));
  }

  .composer[data-simple] {
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    align-items: end;
  }

  .composer[data-simple] > :not(.field, .composer-row) {
    grid-column: 1 / -1;
  }

  .composer[data-simple] .input {
    min-block-size: 36px;
    padding-block: calc((36px - 1.5em) / 2);
  }

  .field {
    position: relative;
    min-inline-size: 0;
  }

  /* The same text in the same place as that of the field, with its tags coloured. */
  .marks {
    position: absolute;
    inset: 0;
    overflow: hidden;
    padding: calc(var(--ck-space) * 2) calc(var(--ck-space) * 2.75) var(--ck-space);
    color: transparent;
    line-height: 1.5;
    white-space: pre-wrap;
    overflow-wrap: break-word;
    pointer-events: none;
  }

  .composer[data-simple] .marks {
    padding-block: calc((36px - 1.5em) / 2);
  }

  .field[data-tags] > * {
    scrollbar-gutter: stable;
    scrollbar-width: thin;
  }

  .tag-mark {
    border-radius: var(--ck-radius-xs);
    background: color-mix(in oklab, var(--ck-accent) 18%, transparent);
    box-shadow: 0 0 0 2px color-mix(in oklab, var(--ck-accent) 18%, transparent);
    color: transparent;
  }

  .input {
    position: relative;
    display: block;
    inline-size: 100%;
    field-sizing: content;
    min-block-size: calc(1.5em + var(--ck-space) * 3);
    max-block-size: min(14em, 40vh);
    padding: calc(var(--ck-space) * 2) calc(var(--ck-space) * 2.75) var(--ck-space);
    border: 0;
    outline: 0;
    background: transparent;
    resize: none;
    line-height: 1.5;
    overflow-y: auto;
    scrollbar-width: thin;
    scrollbar-color: var(--ck-border-strong) transparent;
  }

  /* The box shows the focus. */
  .input:focus-visible {
    outline: none;
  }

  .input::placeholder {
    color: var(--ck-text-muted);
    opacity: 1;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  @media (pointer: coarse) {
    /* Smaller text makes iOS zoom into the field. */
    .input {
      font-size: max(16px, 1em);
    }

    .icon-button.small {
      inline-size: 36px;
      block-size: 36px;
    }
  }

  .composer-row {
    display: flex;
    align-items: center;
    gap: var(--ck-space);
    min-block-size: 36px;
  }

  .composer-tools {
    flex: 1;
    min-inline-size: 0;
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: var(--ck-space);
  }

  .send {
    flex: none;
    display: grid;
    place-items: center;
    inline-size: 36px;
    block-size: 36px;
    padding: 0;
    border: 0;
    border-radius: var(--ck-radius-full);
    background: var(--ck-primary);
    color: var(--ck-on-primary);
    transition:
      background-color 160ms,
      color 160ms,
      opacity 160ms,
      transform 160ms var(--ck-ease);
  }

  .send .icon {
    stroke-width: 2.25;
  }

  .send.stop .icon {
    inline-size: 0.9em;
    block-size: 0.9em;
  }

  .send:hover:not(:disabled) {
    opacity: 0.86;
  }

  .send:active:not(:disabled) {
    transform: scale(0.93);
  }

  .send:disabled {
    background: var(--ck-active);
    color: var(--ck-text-faint);
  }

  .chips {
    display: flex;
    flex-wrap: wrap;
    gap: calc(var(--ck-space) * 1.5);
    padding: var(--ck-space) var(--ck-space) 0;
  }

  .quote-chip {
    flex: 1 1 100%;
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    max-inline-size: 100%;
    padding-block: 3px;
    padding-inline: 10px 4px;
    border-radius: var(--ck-radius-md);
    background: var(--ck-hover);
    color: var(--ck-text-muted);
    font-size: 0.88em;
    cursor: default;
  }

  .quote-text {
    flex: 1;
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  /* ------------------------------------------------ files */

  .uploads {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr));
    gap: calc(var(--ck-space) * 1.5);
    max-block-size: 12.5rem;
    overflow-y: auto;
    padding: var(--ck-space);
    scrollbar-width: thin;
    scrollbar-color: var(--ck-border-strong) transparent;
    cursor: default;
  }

  .upload,
  .file {
    position: relative;
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2.5);
    min-inline-size: 0;
    padding: 6px;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    background: var(--ck-surface);
    line-height: 1.3;
    overflow: hidden;
  }

  .upload {
    animation: pop 200ms var(--ck-ease);
  }

  .upload-picture {
    flex: none;
    display: grid;
    place-items: center;
    inline-size: 42px;
    block-size: 42px;
    border-radius: calc(var(--ck-radius-md) - 5px);
    background: var(--ck-hover);
    color: var(--ck-text-muted);
    overflow: hidden;
  }

  .thumb {
    inline-size: 100%;
    block-size: 100%;
    object-fit: cover;
  }

  .upload:is([data-state='uploading'], [data-state='waiting']) .thumb {
    opacity: 0.55;
  }

  .upload-text {
    flex: 1;
    min-inline-size: 0;
    display: grid;
  }

  .upload-name,
  .upload-state {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .upload-name {
    font-size: 0.9em;
    font-weight: 500;
  }

  .upload-state {
    color: var(--ck-text-muted);
    font-size: 0.8em;
    font-variant-numeric: tabular-nums;
  }

  .upload[data-state='failed'] {
    border-color: var(--ck-danger-border);
    background: var(--ck-danger-bg);
  }

  .upload[data-state='failed'] .upload-state {
    color: var(--ck-danger);
    white-space: normal;
  }

  .upload-progress {
    appearance: none;
    position: absolute;
    inset-inline: 0;
    inset-block-end: 0;
    inline-size: 100%;
    block-size: 3px;
    border: 0;
    background: var(--ck-active);
    color: var(--ck-accent);
  }

  .upload-progress::-webkit-progress-bar {
    background: transparent;
  }

  .upload-progress::-webkit-progress-value {
    background: var(--ck-accent);
    transition: inline-size 160ms;
  }

  .upload-progress::-moz-progress-bar {
    background: var(--ck-accent);
  }

  .upload-progress:indeterminate {
    background: linear-gradient(90deg, var(--ck-active) 30%, var(--ck-accent) 50%, var(--ck-active) 70%) 0 0 /
      250% 100%;
    animation: shimmer 1.4s linear infinite;
  }

  .upload-progress:indeterminate::-moz-progress-bar {
    background: transparent;
  }

  .problem {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    margin: var(--ck-space);
    padding-block: 4px;
    padding-inline: 12px 4px;
    border-radius: var(--ck-radius-md);
    background: var(--ck-danger-bg);
    color: var(--ck-danger);
    font-size: 0.88em;
    line-height: 1.4;
    cursor: default;
  }

  .problem > span:not(.spinner) {
    flex: 1;
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .problem .icon-button {
    color: inherit;
  }

  .problem.waiting {
    background: var(--ck-hover);
    color: var(--ck-text-muted);
  }

  .drop {
    position: absolute;
    inset: 0;
    z-index: 8;
    display: grid;
    place-items: center;
    padding: calc(var(--ck-space) * 3);
    background: color-mix(in oklab, var(--ck-surface) 90%, transparent);
    pointer-events: none;
    animation: fade 140ms var(--ck-ease);
  }

  .drop-box {
    display: grid;
    place-items: center;
    place-content: center;
    gap: calc(var(--ck-space) * 2);
    inline-size: 100%;
    block-size: 100%;
    border: 2px dashed var(--ck-accent);
    border-radius: var(--ck-radius-lg);
    color: var(--ck-accent);
    font-size: 1.1em;
    font-weight: 550;
    text-align: center;
  }

  .drop-box .icon {
    inline-size: 1.8em;
    block-size: 1.8em;
  }

  .shots,
  .files {
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: calc(var(--ck-space) * 1.5);
    max-inline-size: min(85%, 34rem);
  }

  /* Sizes that do not depend on the image: nothing moves when it arrives. */
  .shot {
    display: grid;
    inline-size: 8.5rem;
    block-size: 8.5rem;
    padding: 0;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-surface-sunken);
    overflow: hidden;
  }

  .shots[data-count='one'] .shot {
    inline-size: min(18rem, 62cqi);
    block-size: 13rem;
  }

  button.shot {
    cursor: zoom-in;
    transition: border-color 140ms;
  }

  button.shot:hover {
    border-color: var(--ck-border-strong);
  }

  .shot-picture {
    inline-size: 100%;
    block-size: 100%;
    min-block-size: 0;
    object-fit: cover;
    font-size: 0.8em;
    color: var(--ck-text-muted);
  }

  .message[data-pending='true'] :is(.shot-picture, .file) {
    opacity: 0.7;
  }

  .shot-gone {
    display: grid;
    place-items: center;
    place-content: center;
    gap: calc(var(--ck-space) * 2);
    min-inline-size: 0;
    padding: calc(var(--ck-space) * 3);
    color: var(--ck-text-muted);
    font-size: 0.85em;
  }

  .shot-name {
    max-inline-size: 100%;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .file {
    max-inline-size: min(18rem, 100%);
    padding-inline-end: 14px;
    color: var(--ck-text);
    text-decoration: none;
  }

  a.file > .icon {
    color: var(--ck-text-muted);
  }

  a.file:hover {
    border-color: var(--ck-border-strong);
    background: var(--ck-hover);
  }

  .lightbox {
    inline-size: 100vw;
    block-size: 100dvh;
    max-inline-size: none;
    max-block-size: none;
    margin: 0;
    padding: calc(var(--ck-space) * 3);
    border: 0;
    background: oklch(0.16 0.01 264 / 0.97);
    color: #fff;
    overflow: hidden;
    animation: fade 160ms var(--ck-ease);
  }

  .lightbox[open] {
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 3);
  }

  .lightbox::backdrop {
    background: transparent;
  }

  .lightbox-bar {
    flex: none;
    display: flex;
    align-items: center;
    gap: var(--ck-space);
  }

  .lightbox-name {
    flex: 1;
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    font-size: 0.933em;
  }

  .lightbox .icon-button {
    color: #fff;
    --ck-hover: oklch(1 0 0 / 0.14);
    --ck-active: oklch(1 0 0 / 0.22);
  }

  .lightbox :focus-visible {
    outline-color: #fff;
  }

  .lightbox-image {
    flex: 1;
    min-block-size: 0;
    min-inline-size: 0;
    align-self: center;
    max-inline-size: 100%;
    object-fit: contain;
    border-radius: var(--ck-radius-xs);
  }

  .lightbox-gone {
    margin: auto;
  }

  /* ------------------------------------------------ dictation */

  .recorder {
    gap: calc(var(--ck-space) * 2);
  }

  .recorder-text {
    flex: 1;
    min-inline-size: 0;
    font-size: 0.933em;
  }

  .limited {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 1.5);
    margin: 0;
    padding: calc(var(--ck-space) * 1.5) calc(var(--ck-space) * 2) 0;
    color: var(--ck-text-muted);
    font-size: 0.933em;
    font-variant-numeric: tabular-nums;
  }

  .recorder-time {
    color: var(--ck-text-muted);
    font-size: 0.933em;
    font-variant-numeric: tabular-nums;
  }

  .level {
    flex: 1;
    min-inline-size: 0;
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 3px;
    block-size: 28px;
    overflow: hidden;
  }

  .level i {
    flex: none;
    inline-size: 3px;
    block-size: calc(3px + 25px * var(--level, 0));
    border-radius: 999px;
    background: var(--ck-danger);
  }

  .send .spinner {
    border-color: color-mix(in oklab, currentColor 35%, transparent);
    border-block-start-color: currentColor;
  }

  /* ------------------------------------------------ mentions */

  .menu.suggestions {
    min-inline-size: min(18rem, 100%);
    max-inline-size: min(26rem, 100%);
  }

  .suggestions .menu-item[aria-selected='true'] {
    background: var(--ck-active);
  }

  .suggestions .menu-item {
    cursor: pointer;
  }

  .menu-note,
  .menu-group {
    padding: 7px 10px;
    color: var(--ck-text-muted);
    font-size: 0.85em;
  }

  .menu-group {
    padding-block-end: 3px;
    font-weight: 550;
  }

  .preview {
    position: absolute;
    z-index: 4;
    inline-size: min(20rem, calc(100% - 16px));
    max-block-size: 22rem;
    overflow: auto;
    padding: calc(var(--ck-space) * 3.5);
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-lg);
    animation: fade 140ms var(--ck-ease);
  }

  .sealed {
    display: flex;
    align-items: center;
    justify-content: center;
    gap: calc(var(--ck-space) * 2);
    padding: calc(var(--ck-space) * 3.5);
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-surface-sunken);
    color: var(--ck-text-muted);
    font-size: 0.92em;
  }

  .disclaimer {
    padding-block-start: calc(var(--ck-space) * 2);
    color: var(--ck-text-muted);
    font-size: 0.8em;
    line-height: 1.4;
    text-align: center;
    text-wrap: balance;
  }

  .disclaimer[data-contrast] {
    color: var(--ck-text);
  }

  .disclaimer a {
    color: inherit;
    text-underline-offset: 2px;
  }

  .jump {
    position: absolute;
    inset-block-end: calc(100% + var(--ck-space) * 2);
    inset-inline: 0;
    z-index: 1;
    display: grid;
    place-items: center;
    inline-size: 36px;
    block-size: 36px;
    margin-inline: auto;
    padding: 0;
    border: 1px solid var(--ck-border);
    border-radius: 999px;
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-md);
    color: var(--ck-text-muted);
    animation: rise 220ms var(--ck-ease);
    transition: color 140ms;
  }

  .jump:hover {
    color: var(--ck-text);
  }

  /* ------------------------------------------------ menus */

  .menu-anchor {
    position: relative;
    flex: none;
  }

  .menu {
    position: absolute;
    inset-block-end: calc(100% + 8px);
    inset-inline-start: 0;
    z-index: 4;
    inline-size: max-content;
    min-inline-size: 11rem;
    max-inline-size: min(18rem, 78cqi);
    max-block-size: 18rem;
    overflow-y: auto;
    padding: 5px;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-lg);
    cursor: default;
    animation: pop 160ms var(--ck-ease);
    transform-origin: bottom;
  }

  .composer-tools + .menu-anchor .menu {
    inset-inline: auto 0;
  }

  .menu-item {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2.5);
    inline-size: 100%;
    padding: 8px 10px;
    border: 0;
    border-radius: calc(var(--ck-radius-md) - 4px);
    background: transparent;
    font-size: 0.92em;
    line-height: 1.35;
    text-align: start;
  }

  .menu-item:hover,
  .menu-item:focus-visible {
    background: var(--ck-hover);
  }

  .menu-item[aria-disabled='true'] {
    color: var(--ck-text-muted);
    cursor: default;
  }

  .menu-label {
    flex: 1;
    min-inline-size: 0;
  }

  .menu-description {
    display: block;
    color: var(--ck-text-muted);
    font-size: 0.88em;
  }

  /* ------------------------------------------------ history */

  .backdrop {
    position: absolute;
    inset: 0;
    z-index: 5;
    background: oklch(0.15 0.01 264 / 0.28);
    animation: fade 200ms var(--ck-ease);
  }

  .drawer {
    position: absolute;
    inset-block: 0;
    inset-inline-start: 0;
    z-index: 6;
    display: flex;
    flex-direction: column;
    inline-size: min(100%, 21rem);
    background: var(--ck-surface);
    border-inline-end: 1px solid var(--ck-border);
    box-shadow: var(--ck-shadow-lg);
    animation: slide 260ms var(--ck-ease);
  }

  .drawer:dir(rtl) {
    animation-name: slide-rtl;
  }

  .drawer-head {
    flex: none;
    display: flex;
    align-items: center;
    justify-content: space-between;
    min-block-size: calc(var(--ck-space) * 13);
    padding-inline: calc(var(--ck-space) * 4.5) calc(var(--ck-space) * 2.5);
  }

  .drawer-title {
    font-size: 1em;
    font-weight: 600;
    letter-spacing: -0.01em;
  }

  .drawer-body {
    flex: 1;
    min-block-size: 0;
    display: flex;
    flex-direction: column;
    overflow-y: auto;
    overscroll-behavior: contain;
    padding: 0 calc(var(--ck-space) * 2) calc(var(--ck-space) * 4);
    scrollbar-width: thin;
    scrollbar-color: var(--ck-border-strong) transparent;
  }

  .group {
    margin-block-end: calc(var(--ck-space) * 3.5);
  }

  .group-label {
    padding: calc(var(--ck-space) * 1.5) calc(var(--ck-space) * 2.5);
    color: var(--ck-text-muted);
    font-size: 0.8em;
    font-weight: 550;
  }

  .rows {
    list-style: none;
  }

  .row {
    position: relative;
    display: flex;
    align-items: center;
    border-radius: var(--ck-radius-sm);
    transition: background-color 120ms;
  }

  .row:hover,
  .row:focus-within {
    background: var(--ck-hover);
  }

  .row[data-current] {
    background: var(--ck-active);
  }

  .row-open {
    flex: 1;
    min-inline-size: 0;
    min-block-size: 40px;
    padding: 7px calc(var(--ck-space) * 2.5);
    border: 0;
    border-radius: inherit;
    background: transparent;
    font-size: 0.933em;
    text-align: start;
    line-height: 1.35;
  }

  .row-open:focus-visible {
    outline-offset: -2px;
  }

  .row-title {
    display: block;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .row[data-current] .row-title {
    font-weight: 550;
  }

  .row-actions {
    display: flex;
    padding-inline-end: 4px;
  }

  @media (hover: hover) {
    .row:not(:hover, :focus-within) .row-actions {
      inline-size: 0;
      padding: 0;
      overflow: hidden;
      opacity: 0;
    }
  }

  .row.editing,
  .row.deleting {
    flex-wrap: wrap;
    gap: 2px;
    padding: 4px;
    background: var(--ck-hover);
  }

  .row-input {
    flex: 1;
    min-inline-size: 0;
    block-size: 34px;
    padding: 4px 9px;
    border: 1px solid var(--ck-border-strong);
    border-radius: calc(var(--ck-radius-sm) - 2px);
    background: var(--ck-surface);
    font-size: 0.933em;
  }

  .row-input:focus-visible {
    outline-offset: -1px;
  }

  .row.deleting {
    flex-direction: column;
    align-items: stretch;
    gap: calc(var(--ck-space) * 0.5);
    padding: calc(var(--ck-space) * 2.5);
  }

  .row-question {
    font-size: 0.92em;
    font-weight: 550;
  }

  .row-subject {
    color: var(--ck-text-muted);
    font-size: 0.867em;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .row-buttons {
    display: flex;
    gap: calc(var(--ck-space) * 1.5);
    margin-block-start: calc(var(--ck-space) * 1.5);
  }

  .row-error {
    inline-size: 100%;
    padding: 4px 6px;
    color: var(--ck-danger);
    font-size: 0.867em;
  }

  .more {
    align-self: center;
  }

  /* ------------------------------------------------ empty and loading */

  .empty {
    flex: 1;
    display: flex;
    flex-direction: column;
    align-items: center;
    justify-content: center;
    gap: calc(var(--ck-space) * 1.5);
    padding: calc(var(--ck-space) * 8) calc(var(--ck-space) * 5);
    text-align: center;
    animation: fade 300ms var(--ck-ease);
  }

  .empty-icon {
    display: grid;
    place-items: center;
    inline-size: 52px;
    block-size: 52px;
    margin-block-end: calc(var(--ck-space) * 1.5);
    border-radius: var(--ck-radius-lg);
    background: var(--ck-hover);
    color: var(--ck-text-muted);
    font-size: 1.25em;
  }

  .empty-icon.danger {
    background: var(--ck-danger-bg);
    color: var(--ck-danger);
  }

  .empty-title {
    font-weight: 600;
    letter-spacing: -0.006em;
  }

  .empty-text {
    max-inline-size: 22rem;
    color: var(--ck-text-muted);
    font-size: 0.92em;
    text-wrap: balance;
  }

  .empty-actions {
    display: flex;
    flex-wrap: wrap;
    justify-content: center;
    gap: calc(var(--ck-space) * 2);
    margin-block-start: calc(var(--ck-space) * 3);
  }

  .skeleton {
    border-radius: var(--ck-radius-xs);
  }

  .skeleton,
  .image-frame[data-state='begun'] {
    background: linear-gradient(
        90deg,
        var(--ck-hover) 0%,
        var(--ck-hover) 40%,
        var(--ck-active) 50%,
        var(--ck-hover) 60%,
        var(--ck-hover) 100%
      )
      0 0 / 250% 100%;
    animation: shimmer 1.8s linear infinite;
  }

  .skeletons,
  .row-skeletons {
    animation: late 500ms;
  }

  .skeleton.line {
    block-size: 0.85em;
  }

  .bubble-skeleton {
    align-self: flex-end;
    inline-size: 55%;
    block-size: 2.6em;
    border-radius: var(--ck-radius-lg);
  }

  .bubble-skeleton.short {
    inline-size: 35%;
  }

  .row-skeletons {
    display: grid;
    gap: calc(var(--ck-space) * 4);
    padding: calc(var(--ck-space) * 4) calc(var(--ck-space) * 2.5);
  }

  .row-skeleton {
    block-size: 0.9em;
  }

  .w90 {
    inline-size: 90%;
  }
  .w80 {
    inline-size: 80%;
  }
  .w75 {
    inline-size: 75%;
  }
  .w70 {
    inline-size: 70%;
  }
  .w60 {
    inline-size: 60%;
  }
  .w55 {
    inline-size: 55%;
  }
  .w50 {
    inline-size: 50%;
  }

  /* ------------------------------------------------ motion */

  @keyframes fade {
    from {
      opacity: 0;
    }
  }

  @keyframes late {
    0%,
    40% {
      opacity: 0;
    }
  }

  @keyframes rise {
    from {
      opacity: 0;
      transform: translateY(6px);
    }
  }

  @keyframes pop {
    from {
      opacity: 0;
      transform: scale(0.97) translateY(4px);
    }
  }

  @keyframes slide-rtl {
    from {
      opacity: 0;
      transform: translateX(16px);
    }
  }

  @keyframes slide {
    from {
      opacity: 0;
      transform: translateX(-16px);
    }
  }

  @keyframes pulse {
    0%,
    100% {
      transform: scale(0.72);
      opacity: 0.5;
    }
    50% {
      transform: scale(1);
      opacity: 1;
    }
  }

  @keyframes shimmer {
    from {
      background-position: 125% 0;
    }
    to {
      background-position: -25% 0;
    }
  }

  @keyframes spin {
    to {
      transform: rotate(360deg);
    }
  }

  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 1ms !important;
      animation-iteration-count: 1 !important;
      /* Not a short one: it would apply to every property, and each level of the tree would hold back what it
         inherits, so that a field in a panel that was just shown could not take the focus yet. */
      transition: none !important;
    }

    .shimmer {
      background: none;
      -webkit-text-fill-color: currentColor;
    }
  }

  @media (forced-colors: active) {
    .bubble,
    .send,
    .button,
    .chip-button,
    .cite,
    .row[data-current] {
      border: 1px solid ButtonBorder;
    }

    .tag-mark {
      background: none;
      box-shadow: none;
      border-block-end: 2px solid Highlight;
    }

    .suggestions .menu-item[aria-selected='true'] {
      outline: 2px solid Highlight;
      outline-offset: -2px;
    }

    .shimmer {
      background: none;
      -webkit-text-fill-color: currentColor;
    }

    .composer:focus-within {
      outline: 2px solid Highlight;
    }

    .pulse {
      background: CanvasText;
    }
  }

  /* ------------------------------------------------ narrow and wide */

  @container (inline-size >= 720px) {
    .scroll {
      scrollbar-gutter: stable both-edges;
    }

    /* A new thread on a wide surface: greeting and field in the middle, as one. */
    .root[data-start='true'] .header {
      margin-block-end: auto;
    }

    .root[data-start='true'] .scroll {
      flex: 0 1 auto;
    }

    .root[data-start='true'] .dock {
      margin-block-end: auto;
      padding-block-end: calc(var(--ck-space) * 16);
    }
  }

  @container (inline-size < 420px) {
    .column,
    .dock-column {
      --ck-gutter: calc(var(--ck-space) * 4);
    }

    .bubble,
    .quoted {
      max-inline-size: 90%;
    }
  }

  @container (inline-size < 480px) {
    .drawer {
      inline-size: 100%;
      border: 0;
    }
  }
`;
