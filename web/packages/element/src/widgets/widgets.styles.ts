import { css } from 'lit';

/**
 * The look of widgets and questions. Coloured by the element's custom
 * properties and by `light-dark()`, which follows the scheme of the subtree.
 */
export const widgetStyles = css`
  .w-host {
    display: block;
    min-inline-size: 0;
    /* A widget keeps to its place, whatever margins it was given; focus rings may reach out a little. */
    overflow: clip;
    overflow-clip-margin: 5px;
    --w-gap: calc(var(--ck-space) * 2);
    --w-pad: calc(var(--ck-space) * 4);
    --w-radius: var(--ck-radius-md);
  }

  .w-root {
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 2);
    min-inline-size: 0;
    transition: opacity 0.18s;
  }

  .w-root[inert] {
    opacity: 0.55;
  }

  .w-host :where(input, textarea, button) {
    margin: 0;
  }

  .w-host :where(.w-control, .w-editable, .w-plot, .w-table-scroll, .w-item-place):focus-visible {
    outline: 2px solid var(--ck-accent);
    outline-offset: 1px;
  }

  /* ------------------------------------------------ cards and lists */

  .w-card,
  .w-list {
    display: flex;
    flex-direction: column;
    inline-size: 100%;
    min-inline-size: 0;
    max-inline-size: 27.5rem;
    margin: 0;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-lg);
    background-color: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-sm);
    overflow: clip;
  }

  .w-card[data-size='sm'] {
    max-inline-size: 22.5rem;
  }

  .w-card[data-size='lg'] {
    max-inline-size: 35rem;
  }

  .w-card[data-size='full'] {
    max-inline-size: 100%;
  }

  .w-card-body {
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 3);
    min-inline-size: 0;
    padding: var(--w-pad);
    --w-pad-start: var(--w-pad);
    --w-pad-end: var(--w-pad);
    --w-pad-top: var(--w-pad);
    --w-pad-bottom: var(--w-pad);
  }

  .w-card-body[hidden] {
    display: none;
  }

  .w-card-body:empty {
    padding-block: 0;
  }

  .w-status {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    padding: calc(var(--ck-space) * 2.25) var(--w-pad);
    border-block-end: 1px solid var(--ck-border);
    color: var(--ck-text-muted);
    font-size: 0.867em;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }

  .w-favicon {
    flex: none;
    inline-size: 1.15em;
    block-size: 1.15em;
    border-radius: 3px;
    object-fit: contain;
  }

  .w-favicon[data-frame] {
    inline-size: 1.6em;
    block-size: 1.6em;
    padding: 2px;
    border: 1px solid var(--ck-border);
    border-radius: 5px;
    background: white;
  }

  .w-card-footer {
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: calc(var(--ck-space) * 2);
    padding: calc(var(--ck-space) * 3) var(--w-pad);
    border-block-start: 1px solid var(--ck-border);
  }

  .w-fold {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 2);
    padding: calc(var(--ck-space) * 2.5) var(--w-pad);
    border: 0;
    background: none;
    color: var(--ck-text-muted);
    font-size: 0.933em;
    text-align: start;
  }

  .w-fold:hover {
    background: var(--ck-hover);
  }

  .w-fold:focus-visible,
  .w-more:focus-visible {
    outline-offset: -2px;
  }

  .w-fold-title {
    flex: 1;
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .w-fold .icon {
    transition: rotate 0.18s var(--ck-ease);
  }

  .w-fold[aria-expanded='true'] .icon {
    rotate: 180deg;
  }

  .w-list ul {
    display: flex;
    flex-direction: column;
    margin: 0;
    padding: 0;
    list-style: none;
  }

  .w-item-place + .w-item-place {
    border-block-start: 1px solid var(--ck-border);
  }

  .w-item-place {
    outline-offset: -2px;
  }

  .w-item {
    position: relative;
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 3);
    min-inline-size: 0;
    padding: calc(var(--ck-space) * 3) var(--w-pad);
  }

  .w-item > * {
    min-inline-size: 0;
  }

  .w-item-action {
    transition: background-color 0.12s;
  }

  .w-item-action:hover {
    background: var(--ck-hover);
  }

  .w-item-action:active {
    background: var(--ck-active);
  }

  .w-item-hit {
    position: absolute;
    inset: 0;
    padding: 0;
    border: 0;
    background: none;
    outline-offset: -2px;
  }

  .w-item-action > :not(.w-item-hit) {
    position: relative;
    pointer-events: none;
  }

  .w-item-action :is(button:not(.w-item-hit), a, input, textarea, select, label) {
    pointer-events: auto;
  }

  .w-item > .w-spinner {
    margin-inline-start: auto;
  }

  .w-more {
    display: flex;
    align-items: center;
    justify-content: center;
    gap: var(--ck-space);
    padding: calc(var(--ck-space) * 2.5);
    border: 0;
    border-block-start: 1px solid var(--ck-border);
    background: none;
    color: var(--ck-text-muted);
    font-size: 0.867em;
    font-weight: 500;
  }

  .w-more:hover {
    background: var(--ck-hover);
    color: var(--ck-text);
  }

  /* ------------------------------------------------ boxes */

  .w-box {
    display: flex;
    flex-direction: column;
    min-inline-size: 0;
    max-inline-size: 100%;
    margin: 0;
  }

  .w-box[data-dir='row'] {
    flex-direction: row;
    align-items: center;
  }

  .w-box:is([data-type='Row'], [data-type='Col'], [data-type='Basic']) {
    gap: var(--w-gap);
  }

  .w-box[data-type='Form'] {
    gap: calc(var(--ck-space) * 3);
  }

  .w-box[data-dir='col'] > * {
    max-inline-size: 100%;
  }

  .w-spacer {
    flex: 1 1 0%;
  }

  .w-divider {
    flex: none;
    align-self: stretch;
    block-size: var(--w-line-size, 1px);
    background: var(--w-line, var(--ck-border));
  }

  .w-divider[data-dir='row'] {
    block-size: auto;
    inline-size: var(--w-line-size, 1px);
  }

  .w-card-body > [data-flush] {
    inline-size: auto !important;
    max-inline-size: none;
    margin-inline-start: calc(-1 * var(--w-pad-start)) !important;
    margin-inline-end: calc(-1 * var(--w-pad-end)) !important;
  }

  .w-card-body > .w-image[data-flush] {
    border-radius: 0;
  }

  .w-card-body > .w-image[data-flush]:first-child {
    margin-block-start: calc(-1 * var(--w-pad-top)) !important;
  }

  .w-card-body > .w-image[data-flush]:last-child {
    margin-block-end: calc(-1 * var(--w-pad-bottom)) !important;
  }

  .w-transition {
    display: grid;
    min-inline-size: 0;
  }

  .w-appear {
    min-inline-size: 0;
    animation: w-appear 0.28s var(--ck-ease);
  }

  @keyframes w-appear {
    from {
      opacity: 0;
      translate: 0 4px;
    }
  }

  /* ------------------------------------------------ text */

  .w-text,
  .w-title,
  .w-caption,
  .w-label {
    min-inline-size: 0;
    max-inline-size: 100%;
    white-space: pre-line;
    overflow-wrap: anywhere;
  }

  /* The widget has a direction; a text in another one stays in its place. */
  .w-host :is(.w-text, .w-title, .w-caption, .w-label, .w-question-text, .w-question-hint):not(.w-editable) {
    text-align: match-parent;
  }

  .w-text {
    font-size: 1em;
    line-height: 1.5;
  }

  .w-text[data-size='xs'] {
    font-size: 0.8em;
  }

  .w-text[data-size='sm'] {
    font-size: 0.9em;
  }

  .w-text[data-size='lg'] {
    font-size: 1.133em;
  }

  .w-text[data-size='xl'] {
    font-size: 1.267em;
  }

  .w-title {
    font-size: 1.067em;
    line-height: 1.3;
    letter-spacing: -0.01em;
    text-wrap: pretty;
  }

  .w-title[data-size='sm'] {
    font-size: 1em;
  }

  .w-title[data-size='lg'] {
    font-size: 1.2em;
  }

  .w-title[data-size='xl'] {
    font-size: 1.4em;
  }

  .w-title[data-size='2xl'] {
    font-size: 1.7em;
    letter-spacing: -0.02em;
  }

  .w-title[data-size='3xl'] {
    font-size: 2.1em;
    letter-spacing: -0.02em;
  }

  .w-title[data-size='4xl'] {
    font-size: 2.7em;
    line-height: 1.15;
    letter-spacing: -0.025em;
  }

  .w-title[data-size='5xl'] {
    font-size: 3.4em;
    line-height: 1.1;
    letter-spacing: -0.03em;
  }

  .w-caption {
    color: var(--ck-text-muted);
    font-size: 0.867em;
    line-height: 1.45;
  }

  .w-caption[data-size='sm'] {
    font-size: 0.8em;
  }

  .w-caption[data-size='lg'] {
    font-size: 0.933em;
  }

  .w-host [data-weight='normal'] {
    font-weight: 400;
  }

  .w-host [data-weight='medium'] {
    font-weight: 500;
  }

  .w-host [data-weight='semibold'] {
    font-weight: 600;
  }

  .w-host [data-weight='bold'] {
    font-weight: 700;
  }

  .w-host [data-italic] {
    font-style: italic;
  }

  .w-host [data-struck] {
    text-decoration: line-through;
  }

  .w-host [data-clip='line'] {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .w-host [data-clip='lines'] {
    display: -webkit-box;
    overflow: hidden;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: var(--w-lines);
    line-clamp: var(--w-lines);
  }

  .w-editable {
    inline-size: calc(100% + 12px);
    max-inline-size: none;
    margin-inline: -6px !important;
    padding: 1px 5px;
    border: 1px solid transparent;
    border-radius: var(--ck-radius-xs);
    background: none;
    resize: none;
    field-sizing: content;
    transition: background-color 0.12s;
  }

  input.w-editable {
    white-space: nowrap;
    field-sizing: fixed;
  }

  textarea.w-editable {
    display: block;
    white-space: pre-wrap;
  }

  .w-editable:hover {
    background: var(--ck-hover);
  }

  .w-editable:focus {
    border-color: var(--ck-border-strong);
    background: var(--ck-surface);
  }

  .w-field:has(> .w-editable) {
    /* Looks like text, but has to be found by those who want to change it. */
    border-block-end: 1px solid var(--ck-border);
  }

  .w-field:has(> .w-editable:focus) {
    border-block-end-color: transparent;
  }

  .w-markdown {
    min-inline-size: 0;
    max-inline-size: 100%;
  }

  /* ------------------------------------------------ colours of badges and buttons */

  .w-badge,
  .w-button {
    --tone: light-dark(oklch(0.45 0.012 264), oklch(0.8 0.01 264));
    --tone-solid: light-dark(oklch(0.5 0.012 264), oklch(0.72 0.012 264));
    --tone-on: light-dark(white, oklch(0.17 0.01 264));
    --tone-soft: light-dark(oklch(0.945 0.004 264), oklch(0.32 0.008 264));
    --tone-line: var(--ck-border-strong);
  }

  .w-host [data-color='success'] {
    --tone: light-dark(oklch(0.42 0.11 152), oklch(0.84 0.14 152));
    --tone-solid: light-dark(oklch(0.5 0.13 152), oklch(0.74 0.15 152));
    --tone-on: light-dark(white, oklch(0.17 0.04 152));
    --tone-soft: light-dark(oklch(0.955 0.04 152), oklch(0.31 0.05 152));
    --tone-line: light-dark(oklch(0.78 0.09 152), oklch(0.48 0.09 152));
  }

  .w-host [data-color='danger'] {
    --tone: light-dark(oklch(0.48 0.18 26), oklch(0.82 0.11 22));
    --tone-solid: light-dark(oklch(0.54 0.2 26), oklch(0.72 0.16 24));
    --tone-on: light-dark(white, oklch(0.17 0.04 24));
    --tone-soft: light-dark(oklch(0.96 0.022 20), oklch(0.31 0.06 22));
    --tone-line: light-dark(oklch(0.82 0.09 22), oklch(0.5 0.11 24));
  }

  .w-host [data-color='warning'] {
    --tone: light-dark(oklch(0.45 0.11 55), oklch(0.85 0.12 75));
    --tone-solid: light-dark(oklch(0.74 0.155 58), oklch(0.78 0.14 65));
    --tone-on: oklch(0.22 0.05 55);
    --tone-soft: light-dark(oklch(0.962 0.034 70), oklch(0.32 0.055 65));
    --tone-line: light-dark(oklch(0.82 0.1 65), oklch(0.5 0.09 65));
  }

  .w-host [data-color='caution'] {
    --tone: light-dark(oklch(0.44 0.09 85), oklch(0.88 0.13 95));
    --tone-solid: light-dark(oklch(0.84 0.16 90), oklch(0.85 0.15 92));
    --tone-on: oklch(0.25 0.05 85);
    --tone-soft: light-dark(oklch(0.966 0.05 95), oklch(0.33 0.055 90));
    --tone-line: light-dark(oklch(0.82 0.12 92), oklch(0.52 0.09 90));
  }

  .w-host [data-color='info'] {
    --tone: light-dark(oklch(0.45 0.14 257), oklch(0.83 0.09 252));
    --tone-solid: light-dark(oklch(0.52 0.18 257), oklch(0.72 0.13 254));
    --tone-on: light-dark(white, oklch(0.17 0.04 257));
    --tone-soft: light-dark(oklch(0.957 0.022 257), oklch(0.32 0.06 257));
    --tone-line: light-dark(oklch(0.8 0.08 257), oklch(0.5 0.1 257));
  }

  .w-host [data-color='discovery'] {
    --tone: light-dark(oklch(0.46 0.18 300), oklch(0.84 0.09 304));
    --tone-solid: light-dark(oklch(0.52 0.21 300), oklch(0.73 0.15 303));
    --tone-on: light-dark(white, oklch(0.18 0.05 300));
    --tone-soft: light-dark(oklch(0.96 0.022 304), oklch(0.32 0.07 301));
    --tone-line: light-dark(oklch(0.82 0.09 304), oklch(0.5 0.12 302));
  }

  .w-host [data-color='primary'] {
    --tone: var(--ck-text);
    --tone-solid: var(--ck-primary);
    --tone-on: var(--ck-on-primary);
    --tone-soft: var(--ck-active);
    --tone-line: var(--ck-border-strong);
  }

  .w-badge {
    display: inline-flex;
    align-items: center;
    flex: none;
    align-self: center;
    max-inline-size: 100%;
    padding: 0.1em 0.55em;
    border: 1px solid transparent;
    border-radius: var(--ck-radius-xs);
    color: var(--tone);
    background: var(--tone-soft);
    font-size: 0.8em;
    font-weight: 550;
    line-height: 1.5;
    overflow-wrap: anywhere;
  }

  .w-box[data-aligned] > .w-badge {
    align-self: auto;
  }

  .w-box[data-dir='col']:not([data-aligned]) > .w-badge,
  .w-card-body > .w-badge,
  .w-cell > .w-badge {
    align-self: flex-start;
  }

  .w-box[data-dir='col']:not([data-aligned]) > .w-icon,
  .w-card-body > .w-icon {
    align-self: flex-start;
  }

  .w-badge[data-size='md'] {
    font-size: 0.867em;
    padding: 0.15em 0.65em;
  }

  .w-badge[data-size='lg'] {
    font-size: 0.933em;
    padding: 0.22em 0.75em;
  }

  .w-badge[data-pill] {
    border-radius: 999px;
  }

  .w-badge[data-variant='solid'] {
    color: var(--tone-on);
    background: var(--tone-solid);
  }

  .w-badge[data-variant='outline'] {
    border-color: var(--tone-line);
    background: none;
  }

  /* ------------------------------------------------ sizes of buttons and fields */

  .w-host [data-size='3xs'] {
    --h: 22px;
    --f: 0.8em;
    --p: 6px;
  }

  .w-host [data-size='2xs'] {
    --h: 24px;
    --f: 0.8em;
    --p: 7px;
  }

  .w-host [data-size='xs'] {
    --h: 26px;
    --f: 0.833em;
    --p: 8px;
  }

  .w-host [data-size='sm'] {
    --h: 30px;
    --f: 0.867em;
    --p: 10px;
  }

  .w-host [data-size='md'] {
    --h: 34px;
    --f: 0.933em;
    --p: 12px;
  }

  .w-host [data-size='lg'] {
    --h: 38px;
    --f: 0.967em;
    --p: 14px;
  }

  .w-host [data-size='xl'] {
    --h: 42px;
    --f: 1em;
    --p: 16px;
  }

  .w-host [data-size='2xl'] {
    --h: 46px;
    --f: 1.033em;
    --p: 18px;
  }

  .w-host [data-size='3xl'] {
    --h: 52px;
    --f: 1.067em;
    --p: 20px;
  }

  @media (pointer: coarse) {
    .w-host :is([data-size='sm'], [data-size='md'], [data-size='lg']) {
      --h: 42px;
    }
  }

  .w-button {
    position: relative;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.45em;
    flex: none;
    max-inline-size: 100%;
    min-block-size: var(--h);
    padding: 2px var(--p);
    border: 1px solid transparent;
    border-radius: var(--w-radius);
    font-size: var(--f);
    font-weight: 550;
    line-height: 1.25;
    color: var(--tone);
    background: none;
    transition:
      background-color 0.12s,
      border-color 0.12s,
      opacity 0.12s;
  }

  .w-box[data-dir='col']:not([data-aligned]) > .w-button:not([data-block]),
  .w-card-body > .w-button:not([data-block]),
  .w-cell > .w-button:not([data-block]) {
    align-self: flex-start;
  }

  .w-button-label {
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .w-button[data-variant='solid'] {
    color: var(--tone-on);
    background: var(--tone-solid);
  }

  .w-button[data-variant='solid']:hover:not(:disabled, [aria-busy]) {
    background: color-mix(in oklab, var(--tone-solid) 88%, var(--tone-on));
  }

  .w-button[data-variant='soft'] {
    background: var(--tone-soft);
  }

  .w-button[data-variant='soft']:hover:not(:disabled, [aria-busy]) {
    background: color-mix(in oklab, var(--tone-soft) 90%, var(--tone));
  }

  .w-button[data-variant='outline'] {
    border-color: var(--tone-line);
    background: var(--ck-surface-raised);
  }

  .w-button[data-variant='outline'][data-color='secondary'] {
    color: var(--ck-text);
  }

  .w-button:is([data-variant='outline'], [data-variant='ghost']):hover:not(:disabled, [aria-busy]) {
    background: var(--ck-hover);
  }

  .w-button:active:not(:disabled, [aria-busy]) {
    scale: 0.985;
  }

  .w-button:disabled {
    opacity: 0.45;
  }

  .w-button[aria-busy='true'] {
    cursor: progress;
  }

  .w-button[data-pill] {
    border-radius: 999px;
  }

  .w-button[data-block] {
    inline-size: 100%;
  }

  .w-button[data-uniform] {
    inline-size: var(--h);
    block-size: var(--h);
    padding: 0;
  }

  .w-button .icon {
    inline-size: 1.15em;
    block-size: 1.15em;
  }

  .w-button[data-icon-size='sm'] .icon {
    font-size: 0.9em;
  }

  .w-button[data-icon-size='lg'] .icon {
    font-size: 1.2em;
  }

  .w-button[data-icon-size='xl'] .icon {
    font-size: 1.4em;
  }

  .w-button[data-icon-size='2xl'] .icon {
    font-size: 1.6em;
  }

  .w-spinner {
    flex: none;
    display: inline-block;
    inline-size: 1em;
    block-size: 1em;
    border: 2px solid color-mix(in oklab, currentColor 28%, transparent);
    border-block-start-color: currentColor;
    border-radius: 50%;
    animation: w-spin 0.7s linear infinite;
  }

  @keyframes w-spin {
    to {
      rotate: 1turn;
    }
  }

  /* ------------------------------------------------ fields */

  .w-field {
    display: flex;
    flex-direction: column;
    gap: 4px;
    min-inline-size: 0;
    max-inline-size: 100%;
  }

  .w-grow,
  .w-field[data-block] {
    inline-size: 100%;
  }

  .w-box[data-dir='row'] > .w-grow {
    inline-size: auto;
    flex: 1 1 8rem;
  }

  .w-box[data-dir='row'] > .w-field:has(> .w-editable) {
    flex: 1 1 auto;
  }

  /* A field that is brought into view comes with its label and message. */
  .w-control,
  [data-field] {
    scroll-margin-block: 48px 32px;
  }

  .w-control {
    display: block;
    inline-size: 100%;
    min-inline-size: 0;
    min-block-size: var(--h);
    padding: 4px var(--p);
    border: 1px solid var(--ck-border-strong);
    border-radius: var(--w-radius);
    background: var(--ck-surface);
    color: var(--ck-text);
    font-size: var(--f);
    line-height: 1.4;
    text-align: start;
    transition:
      border-color 0.12s,
      background-color 0.12s;
  }

  .w-control::placeholder,
  .w-search input::placeholder,
  .w-editable::placeholder {
    color: var(--ck-text-faint);
    opacity: 1;
  }

  .w-control:hover:not(:disabled, [data-disabled]) {
    border-color: var(--ck-text-faint);
  }

  .w-control[data-variant='soft'],
  .w-control[data-variant='solid'] {
    border-color: transparent;
    background: var(--ck-hover);
  }

  .w-control[data-variant='solid'] {
    background: var(--ck-active);
  }

  .w-control[data-variant='ghost'] {
    border-color: transparent;
    background: none;
  }

  .w-control:is([data-variant='soft'], [data-variant='solid'], [data-variant='ghost']):hover:not(
      :disabled,
      [data-disabled]
    ) {
    background: var(--ck-active);
  }

  .w-control[data-pill] {
    border-radius: 999px;
  }

  .w-control:is(:disabled, [data-disabled]) {
    opacity: 0.55;
    cursor: default;
  }

  .w-control[aria-invalid='true'],
  .w-control:has([aria-invalid='true']),
  .w-editable[aria-invalid='true'] {
    border-color: var(--ck-danger);
  }

  .w-control[data-gutter='2xs'] {
    padding-inline: 4px;
  }

  .w-control[data-gutter='xs'] {
    padding-inline: 6px;
  }

  .w-control[data-gutter='sm'] {
    padding-inline: 8px;
  }

  .w-control[data-gutter='md'] {
    padding-inline: 12px;
  }

  .w-control[data-gutter='lg'] {
    padding-inline: 16px;
  }

  .w-control[data-gutter='xl'] {
    padding-inline: 20px;
  }

  .w-textarea {
    padding-block: 7px;
    line-height: 1.5;
    resize: vertical;
  }

  .w-textarea[data-grows] {
    field-sizing: content;
    resize: none;
    min-block-size: calc(var(--w-rows, 2) * 1lh + 16px);
    max-block-size: calc(var(--w-max-rows, 12) * 1lh + 16px);
  }

  @media (pointer: coarse) {
    /* Smaller text makes phones zoom into the field. */
    .w-control,
    .w-search input {
      font-size: max(16px, var(--f, 1em));
    }
  }

  .w-error {
    display: flex;
    align-items: flex-start;
    gap: 5px;
    color: var(--ck-danger);
    font-size: 0.867em;
    line-height: 1.4;
  }

  .w-error .icon {
    inline-size: 1.1em;
    block-size: 1.4em;
  }

  .w-label {
    font-size: 0.867em;
    line-height: 1.4;
  }

  .w-label[data-size='xs'] {
    font-size: 0.8em;
  }

  .w-label[data-size='md'] {
    font-size: 0.933em;
  }

  .w-label[data-size='lg'] {
    font-size: 1.067em;
  }

  .w-label[data-size='xl'] {
    font-size: 1.2em;
  }

  .w-check {
    display: inline-flex;
    align-items: flex-start;
    gap: calc(var(--ck-space) * 2);
    min-inline-size: 0;
    font-size: 0.967em;
    line-height: 1.45;
    cursor: pointer;
  }

  .w-check > span {
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .w-check:has(input:disabled) {
    color: var(--ck-text-faint);
    cursor: default;
  }

  .w-host :is(input[type='checkbox'], input[type='radio']) {
    appearance: none;
    flex: none;
    display: grid;
    place-content: center;
    inline-size: 1.15em;
    block-size: 1.15em;
    margin-block-start: 0.15em;
    border: 1.5px solid var(--ck-text-faint);
    border-radius: 5px;
    background: var(--ck-surface);
    cursor: inherit;
    transition:
      background-color 0.12s,
      border-color 0.12s;
  }

  .w-host input[type='radio'] {
    border-radius: 50%;
  }

  .w-host :is(input[type='checkbox'], input[type='radio'])::before {
    content: '';
    inline-size: 0.62em;
    block-size: 0.62em;
    scale: 0;
    background: var(--ck-on-primary);
    transition: scale 0.12s var(--ck-ease);
  }

  .w-host input[type='checkbox']::before {
    clip-path: polygon(12% 48%, 0 62%, 40% 100%, 100% 18%, 86% 6%, 38% 72%);
  }

  .w-host input[type='radio']::before {
    border-radius: 50%;
    inline-size: 0.46em;
    block-size: 0.46em;
  }

  .w-host :is(input[type='checkbox'], input[type='radio']):checked {
    border-color: var(--ck-primary);
    background: var(--ck-primary);
  }

  .w-host :is(input[type='checkbox'], input[type='radio']):checked::before {
    scale: 1;
  }

  .w-host :is(input[type='checkbox'], input[type='radio'])[aria-invalid='true'] {
    border-color: var(--ck-danger);
  }

  .w-host :is(input[type='checkbox'], input[type='radio']):disabled {
    opacity: 0.5;
  }

  .w-radios {
    display: flex;
    flex-wrap: wrap;
    gap: calc(var(--ck-space) * 2) calc(var(--ck-space) * 4);
  }

  .w-radios[data-dir='col'] {
    flex-direction: column;
  }

  .w-clear {
    display: grid;
    place-content: center;
    flex: none;
    inline-size: 24px;
    block-size: 24px;
    padding: 0;
    border: 0;
    border-radius: var(--ck-radius-xs);
    background: none;
    color: var(--ck-text-muted);
    font-size: 0.8em;
  }

  .w-clear:hover {
    background: var(--ck-active);
    color: var(--ck-text);
  }

  /* ------------------------------------------------ dates */

  .w-date {
    position: relative;
    display: flex;
    align-items: center;
    gap: 4px;
    min-inline-size: min(8.5rem, 100%);
    padding-block: 0;
  }

  .w-date input {
    flex: 1;
    min-inline-size: 0;
    min-block-size: calc(var(--h) - 2px);
    padding: 0;
    border: 0;
    outline: none;
    background: none;
    line-height: 1.4;
  }

  .w-date:focus-within {
    outline: 2px solid var(--ck-accent);
    outline-offset: 1px;
  }

  .w-date:has(.w-clear:focus-visible) {
    outline: none;
  }

  .w-date input::-webkit-calendar-picker-indicator {
    opacity: 0.6;
    cursor: pointer;
  }

  .w-date-placeholder {
    display: none;
    position: absolute;
    inset-inline: var(--p) calc(var(--p) + 24px);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    color: var(--ck-text-faint);
    pointer-events: none;
  }

  .w-date[data-empty]:not(:focus-within) .w-date-placeholder {
    display: block;
  }

  .w-date[data-empty]:not(:focus-within) input::-webkit-datetime-edit {
    opacity: 0;
  }

  /* ------------------------------------------------ drop-down lists */

  .w-select {
    position: relative;
    display: inline-flex;
    align-items: center;
    inline-size: 100%;
    min-inline-size: 0;
  }

  .w-box[data-dir='row'] > .w-field:has(> .w-select):not([data-block]) {
    inline-size: auto;
  }

  .w-select-button {
    display: flex;
    align-items: center;
    gap: calc(var(--ck-space) * 1.5);
  }

  .w-select-button[data-clearable] {
    padding-inline-end: 34px;
  }

  .w-select-button .icon {
    color: var(--ck-text-muted);
    margin-inline-start: auto;
  }

  .w-select-button[data-clearable] .icon {
    display: none;
  }

  .w-select > .w-clear {
    position: absolute;
    inset-inline-end: 6px;
  }

  .w-select-value {
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .w-select-value[data-placeholder] {
    color: var(--ck-text-faint);
  }

  .w-popup {
    position: fixed;
    inset: auto;
    margin: 0;
    padding: 0;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    background: var(--ck-surface-raised);
    color: var(--ck-text);
    box-shadow: var(--ck-shadow-lg);
    overflow: hidden;
  }

  .w-popup:popover-open {
    display: flex;
    flex-direction: column;
    animation: w-appear 0.14s var(--ck-ease);
  }

  .w-search {
    display: flex;
    align-items: center;
    gap: 8px;
    flex: none;
    padding: 0 12px;
    border-block-end: 1px solid var(--ck-border);
    color: var(--ck-text-muted);
    font-size: 0.933em;
  }

  .w-search input {
    flex: 1;
    min-inline-size: 0;
    padding: 9px 0;
    border: 0;
    outline: none;
    background: none;
    color: var(--ck-text);
  }

  .w-options {
    margin: 0;
    padding: 4px;
    list-style: none;
    overflow-y: auto;
    overscroll-behavior: contain;
  }

  .w-options li {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 7px 8px;
    border-radius: var(--ck-radius-sm);
    font-size: 0.933em;
    line-height: 1.4;
    cursor: pointer;
  }

  .w-options li[data-active] {
    background: var(--ck-hover);
  }

  .w-options li[aria-disabled='true'] {
    opacity: 0.5;
    cursor: default;
  }

  .w-options li .icon {
    margin-inline-start: auto;
    color: var(--ck-text-muted);
  }

  .w-option-text {
    display: flex;
    flex-direction: column;
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .w-option-description {
    color: var(--ck-text-muted);
    font-size: 0.9em;
  }

  .w-no-matches {
    margin: 0;
    padding: 10px 12px 14px;
    color: var(--ck-text-muted);
    font-size: 0.933em;
  }

  /* ------------------------------------------------ icons and images */

  .w-icon {
    display: inline-flex;
    flex: none;
    font-size: 15px;
  }

  .w-icon[data-size='xs'] {
    font-size: 10px;
  }

  .w-icon[data-size='sm'] {
    font-size: 13px;
  }

  .w-icon[data-size='lg'] {
    font-size: 18px;
  }

  .w-icon[data-size='xl'] {
    font-size: 22px;
  }

  .w-icon[data-size='2xl'] {
    font-size: 28px;
  }

  .w-icon[data-size='3xl'] {
    font-size: 36px;
  }

  .w-image {
    display: block;
    flex: none;
    max-inline-size: 100%;
    border-radius: var(--ck-radius-sm);
    object-fit: cover;
  }

  .w-card-body > .w-image,
  .w-box[data-dir='col']:not([data-aligned]) > .w-image {
    align-self: flex-start;
  }

  .w-card-body > .w-image[data-flush] {
    align-self: stretch;
  }

  .w-image[data-frame] {
    border: 1px solid var(--ck-border);
  }

  .w-image-blocked {
    display: grid;
    place-content: center;
    min-inline-size: 32px;
    min-block-size: 32px;
    background: var(--ck-hover);
    color: var(--ck-text-faint);
  }

  /* ------------------------------------------------ tables */

  .w-table-scroll {
    inline-size: 100%;
    overflow-x: auto;
  }

  .w-table {
    inline-size: 100%;
    border-collapse: collapse;
    font-size: 0.933em;
    line-height: 1.45;
    font-variant-numeric: tabular-nums;
  }

  .w-table :is(th, td) {
    padding: calc(var(--ck-space) * 2) calc(var(--ck-space) * 3);
    border-block-end: 1px solid var(--ck-border);
    text-align: start;
    vertical-align: middle;
    font-weight: inherit;
  }

  .w-table :is(th, td):first-child {
    padding-inline-start: 0;
  }

  .w-table :is(th, td):last-child {
    padding-inline-end: 0;
  }

  .w-table tbody tr:last-child :is(th, td) {
    border-block-end: 0;
  }

  .w-table th {
    color: var(--ck-text-muted);
    font-size: 0.93em;
    font-weight: 550;
  }

  .w-table [data-col='xs'] {
    inline-size: 3rem;
  }

  .w-table [data-col='sm'] {
    inline-size: 5rem;
  }

  .w-table [data-col='md'] {
    inline-size: 8rem;
  }

  .w-table [data-col='lg'] {
    inline-size: 12rem;
  }

  .w-table [data-col='xl'] {
    inline-size: 18rem;
  }

  .w-cell {
    display: flex;
    flex-direction: column;
    gap: 2px;
    min-inline-size: 0;
  }

  .w-cell[data-align='center'] {
    align-items: center;
  }

  .w-cell[data-align='end'] {
    align-items: flex-end;
  }

  .w-cell:is([data-align='center'], [data-align='end']) > :is(.w-badge, .w-button) {
    align-self: auto;
  }

  .w-cell > :is(.w-text, .w-caption, .w-title) {
    font-size: inherit;
  }

  /* ------------------------------------------------ charts */

  .w-chart {
    display: block;
    inline-size: 100%;
    min-inline-size: 0;
    max-inline-size: 100%;
  }

  .w-figure {
    position: relative;
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 2);
    block-size: 100%;
    margin: 0;
  }

  .w-plot {
    position: relative;
    flex: 1;
    min-block-size: 60px;
    min-inline-size: 0;
    border-radius: var(--ck-radius-xs);
    touch-action: pan-y;
    direction: ltr;
  }

  .w-svg {
    position: absolute;
    inset: 0;
    display: block;
    overflow: visible;
  }

  .w-grid {
    stroke: var(--ck-border);
    stroke-width: 1;
    shape-rendering: crispEdges;
  }

  .w-zero,
  .w-cursor {
    stroke: var(--ck-border-strong);
    stroke-width: 1;
    shape-rendering: crispEdges;
  }

  .w-axis {
    fill: var(--ck-text-muted);
    font-size: 11.5px;
    font-variant-numeric: tabular-nums;
  }

  .w-line {
    fill: none;
    stroke-width: 2;
    stroke-linejoin: round;
    stroke-linecap: round;
  }

  .w-area {
    opacity: 0.2;
  }

  .w-bar {
    transition: opacity 0.12s;
  }

  .w-bar[data-dim] {
    opacity: 0.45;
  }

  .w-mark {
    stroke: var(--ck-surface-raised);
    stroke-width: 2;
  }

  .w-tooltip {
    position: absolute;
    inset-block-start: 4px;
    z-index: 1;
    max-inline-size: 70%;
    padding: 7px 10px;
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-sm);
    background: var(--ck-surface-raised);
    box-shadow: var(--ck-shadow-md);
    font-size: 0.833em;
    line-height: 1.5;
    pointer-events: none;
  }

  .w-tooltip-title {
    margin-block-end: 2px;
    font-weight: 600;
  }

  .w-tooltip-row {
    display: flex;
    align-items: center;
    gap: 7px;
  }

  .w-tooltip-label {
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    color: var(--ck-text-muted);
  }

  .w-tooltip-value {
    margin-inline-start: auto;
    padding-inline-start: 10px;
    font-variant-numeric: tabular-nums;
    font-weight: 550;
  }

  .w-legend {
    display: flex;
    flex-wrap: wrap;
    gap: 3px calc(var(--ck-space) * 4);
    color: var(--ck-text-muted);
    font-size: 0.833em;
    line-height: 1.4;
  }

  .w-legend-entry {
    display: inline-flex;
    align-items: center;
    gap: 6px;
  }

  .w-swatch {
    flex: none;
    inline-size: 10px;
    block-size: 10px;
    border-radius: 3px;
    background: var(--w-series);
  }

  .w-swatch[data-type='line'] {
    block-size: 3px;
    border-radius: 2px;
  }

  .w-chart-empty {
    display: grid;
    place-content: center;
    block-size: 100%;
    min-block-size: 60px;
    border: 1px dashed var(--ck-border-strong);
    border-radius: var(--ck-radius-sm);
    color: var(--ck-text-muted);
    font-size: 0.867em;
  }

  /* ------------------------------------------------ failures */

  .w-alert {
    display: flex;
    align-items: center;
    flex-wrap: wrap;
    gap: calc(var(--ck-space) * 1.5) calc(var(--ck-space) * 2);
    max-inline-size: 27.5rem;
    margin-block-start: calc(var(--ck-space) * 2);
    padding: calc(var(--ck-space) * 2) calc(var(--ck-space) * 3);
    border: 1px solid var(--ck-danger-border);
    border-radius: var(--ck-radius-md);
    background: var(--ck-danger-bg);
    color: var(--ck-danger);
    font-size: 0.9em;
    line-height: 1.4;
  }

  .w-card-body > .w-alert {
    margin: 0;
  }

  .w-alert-text {
    flex: 1 1 8rem;
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .w-link {
    padding: 2px 4px;
    border: 0;
    border-radius: var(--ck-radius-xs);
    background: none;
    color: inherit;
    font-weight: 600;
    text-decoration: underline;
    text-underline-offset: 2px;
  }

  .w-alert .w-clear {
    color: inherit;
  }

  /* ------------------------------------------------ questions */

  .w-questions .w-card-body {
    gap: calc(var(--ck-space) * 5);
  }

  .w-question {
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 2);
    min-inline-size: 0;
    margin: 0;
    padding: 0;
    border: 0;
  }

  .w-question-text {
    padding: 0;
    font-weight: 600;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }

  legend.w-question-text {
    margin-block-end: calc(var(--ck-space) * 2);
  }

  .w-question-hint {
    margin-block-start: calc(var(--ck-space) * -1.5);
    color: var(--ck-text-muted);
    font-size: 0.867em;
    line-height: 1.4;
  }

  .w-choices {
    display: flex;
    flex-direction: column;
    gap: calc(var(--ck-space) * 1.5);
  }

  .w-choice {
    display: flex;
    align-items: flex-start;
    gap: calc(var(--ck-space) * 2.5);
    padding: calc(var(--ck-space) * 2) calc(var(--ck-space) * 3);
    border: 1px solid var(--ck-border);
    border-radius: var(--ck-radius-md);
    font-size: 0.967em;
    line-height: 1.45;
    overflow-wrap: anywhere;
    cursor: pointer;
    transition:
      background-color 0.12s,
      border-color 0.12s;
  }

  .w-choice:hover:not(:has(input:disabled)) {
    background: var(--ck-hover);
  }

  .w-choice:has(input:checked) {
    border-color: var(--ck-primary);
    background: var(--ck-hover);
  }

  .w-choice:has(input:focus-visible) {
    outline: 2px solid var(--ck-accent);
    outline-offset: 1px;
  }

  .w-choice input:focus-visible {
    outline: none;
  }

  .w-choice:has(input:disabled) {
    cursor: default;
  }

  .w-answers {
    gap: calc(var(--ck-space) * 3);
    padding: var(--w-pad);
  }

  .w-answered dt {
    color: var(--ck-text-muted);
    font-size: 0.867em;
    line-height: 1.4;
    overflow-wrap: anywhere;
  }

  .w-answered dd {
    display: flex;
    flex-direction: column;
    gap: 2px;
    margin: 2px 0 0;
  }

  .w-given {
    display: flex;
    align-items: flex-start;
    gap: 6px;
    font-weight: 500;
    overflow-wrap: anywhere;
  }

  .w-given .icon {
    margin-block-start: 0.2em;
    inline-size: 1.1em;
    block-size: 1.1em;
    color: var(--ck-success);
  }

  .w-skipped {
    color: var(--ck-text-muted);
    font-style: italic;
  }

  .w-loading {
    min-block-size: 6rem;
    max-inline-size: 27.5rem;
    border-radius: var(--ck-radius-lg);
    background: var(--ck-hover);
  }

  @media (prefers-reduced-motion: reduce) {
    .w-host *,
    .w-host *::before {
      animation: none !important;
      transition: none !important;
    }

    .w-spinner {
      border-style: dotted;
    }
  }

  @media (forced-colors: active) {
    .w-button,
    .w-badge,
    .w-control {
      border-color: ButtonBorder;
    }

    .w-host :is(input[type='checkbox'], input[type='radio']):checked {
      forced-color-adjust: none;
      border-color: Highlight;
      background: Highlight;
    }

    .w-options li[data-active] {
      outline: 1px solid Highlight;
      outline-offset: -1px;
    }

    .w-svg {
      forced-color-adjust: none;
    }
  }
`;
