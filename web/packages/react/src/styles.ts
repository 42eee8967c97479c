/** What is there from the beginning looks like this. Colours, sizes and places are variables, which the page may set on the
 * root; the grays are those of the element. */
export const STYLES = `
/* Rules of the page for every element, such as \`* { letter-spacing: … }\`, win over others here, and would be inherited. */
:host { all: initial !important; display: contents !important; }
:host([data-parlor-widget='inline']) { display: block !important; block-size: var(--parlor-inline-height, 40rem) !important; }
:host([hidden]) { display: none !important; }
.widget {
  --accent: var(--parlor-accent, #2356d8);
  --on-accent: var(--parlor-on-accent, #fff);
  --surface: var(--parlor-surface, oklch(1 0 264));
  --text: var(--parlor-text, oklch(0.24 0.0045 264));
  --muted: var(--parlor-muted, oklch(0.495 0.0045 264));
  --line: var(--parlor-line, oklch(0.88 0.0045 264));
  --hover: var(--parlor-hover, oklch(0.962 0.0045 264));
  --radius: var(--parlor-radius, 16px);
  --gap: var(--parlor-gap, 20px);
  --shadow: var(--parlor-shadow, 0 8px 32px rgb(15 20 35 / 22%), 0 1px 3px rgb(15 20 35 / 16%));
  color: var(--text);
  color-scheme: light;
  font: 400 15px/1.5 var(--parlor-font, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif);
  text-align: start;
}
.widget[data-scheme='dark'] {
  --accent: var(--parlor-accent, #8fb0ff);
  --on-accent: var(--parlor-on-accent, #10182b);
  --surface: var(--parlor-surface, oklch(0.205 0.0045 264));
  --text: var(--parlor-text, oklch(0.945 0.0045 264));
  --muted: var(--parlor-muted, oklch(0.735 0.0045 264));
  --line: var(--parlor-line, oklch(0.34 0.0045 264));
  --hover: var(--parlor-hover, oklch(0.27 0.0045 264));
  --shadow: var(--parlor-shadow, 0 8px 32px rgb(0 0 0 / 55%), 0 0 0 1px rgb(255 255 255 / 8%));
  color-scheme: dark;
}
.widget, .widget * { box-sizing: border-box; }
button, input, select, textarea { font: inherit; color: inherit; }
button, .entry { cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.launcher {
  position: fixed;
  inset-block-end: calc(var(--gap) + env(safe-area-inset-bottom));
  inset-inline-end: calc(var(--gap) + max(env(safe-area-inset-left), env(safe-area-inset-right)));
  z-index: var(--parlor-z-index, 2147482000);
  display: grid;
  place-items: center;
  inline-size: 56px;
  block-size: 56px;
  padding: 0;
  border: 0;
  border-radius: 50%;
  background: var(--accent);
  color: var(--on-accent);
  box-shadow: var(--shadow);
  transition: transform 120ms ease-out;
}
.launcher:hover { transform: scale(1.05); }
.launcher svg { inline-size: 26px; block-size: 26px; }
.launcher .badge {
  position: absolute;
  inset-block-start: 2px;
  inset-inline-end: 2px;
  inline-size: 14px;
  block-size: 14px;
  border-radius: 50%;
  border: 2px solid var(--surface);
  background: #d92d20;
}
.panel:hover .resize::after, .resize:focus-visible::after { opacity: 0.8; }
.ask {
  position: fixed;
  z-index: var(--parlor-z-index, 2147482000);
  display: flex;
  align-items: center;
  gap: 6px;
  min-block-size: 36px;
  padding: 4px 14px;
  border: 0;
  border-radius: 999px;
  background: var(--accent);
  color: var(--on-accent);
  font-weight: 600;
  box-shadow: var(--shadow);
}
.ask svg { inline-size: 18px; block-size: 18px; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) {
  .launcher { transition: none; }
  .launcher:hover { transform: none; }
}
@media (forced-colors: active) { .launcher, .ask { border: 1px solid ButtonText; } }
@media print { .launcher, .ask { display: none; } }
`;
