import { NARROW } from './use-full-screen.js';

/** The panel, once it is opened. */
export const STYLES = `
.panel {
  position: fixed;
  z-index: var(--parlor-z-index, 2147482000);
  display: flex;
  flex-direction: column;
  overflow: hidden;
  background: var(--surface);
  box-shadow: var(--shadow);
}
.panel[hidden] { display: none; }
.panel[data-mode='popup'] {
  inset-block-end: calc(var(--gap) + 56px + 12px + env(safe-area-inset-bottom) + var(--keyboard, 0px));
  inset-inline-end: var(--gap);
  inline-size: min(var(--width, var(--parlor-width, 400px)), calc(100vw - 2 * var(--gap)));
  block-size: min(var(--height, var(--parlor-height, 640px)), calc(100dvh - 2 * var(--gap) - 68px - var(--keyboard, 0px)));
  border-radius: var(--radius);
  /* The corner that it is pulled by sticks out; what is inside is round by itself. */
  overflow: visible;
}
.panel > openai-chatkit { border-radius: inherit; overflow: hidden; }
.panel > .bar:not(.over) ~ openai-chatkit { border-start-start-radius: 0; border-start-end-radius: 0; }
.panel > .bar.over, .panel > .offline { border-start-start-radius: inherit; border-start-end-radius: inherit; }
.panel > .view { border-end-start-radius: inherit; border-end-end-radius: inherit; }
.panel[data-mode='panel'] {
  inset-block: 0;
  inset-inline-end: 0;
  inline-size: min(var(--width, var(--parlor-width, 420px)), 100vw);
}
/* It would lie behind the panel, which has a button of its own. */
.widget[data-open]:has(> .panel[data-mode='panel']) .launcher { visibility: hidden; }
.panel[data-mode='inline'] {
  position: relative;
  z-index: auto;
  inline-size: 100%;
  block-size: 100%;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  box-shadow: none;
}
@media ${NARROW} {
  .panel[data-mode='popup'], .panel[data-mode='panel'] {
    inset: var(--view-top, 0px) 0 auto;
    inline-size: auto;
    block-size: var(--view-height, 100dvh);
    border-radius: 0;
    padding: env(safe-area-inset-top) env(safe-area-inset-right) env(safe-area-inset-bottom) env(safe-area-inset-left);
    overscroll-behavior: contain;
  }
  .panel .resize { display: none; }
  /* It lies behind the panel, which has a button of its own. */
  .widget[data-open] .launcher { visibility: hidden; }
}
.panel openai-chatkit { flex: 1; min-block-size: 0; display: block; inline-size: 100%; }
.bar {
  display: flex;
  align-items: center;
  gap: 4px;
  padding-block: 8px;
  padding-inline: 16px 8px;
  border-block-end: 1px solid var(--line);
}
.bar.over { position: absolute; inset-block-start: 0; inset-inline: 0; z-index: 1; background: var(--surface); }
.bar h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.icon {
  display: grid;
  place-items: center;
  inline-size: 40px;
  block-size: 40px;
  padding: 0;
  border: 0;
  border-radius: 10px;
  background: none;
}
.icon:hover { background: var(--hover); }
.icon svg, .entry svg { inline-size: 20px; block-size: 20px; }
.view { flex: 1; min-block-size: 0; overflow: auto; display: flex; flex-direction: column; }
.center { align-items: center; justify-content: center; gap: 12px; padding: 24px; text-align: center; }
.center h3 { margin: 0; font-size: 18px; font-weight: 600; }
.center p { margin: 0; max-inline-size: 32ch; color: var(--muted); }
.button {
  padding: 10px 18px;
  border: 1px solid transparent;
  border-radius: 999px;
  background: var(--accent);
  color: var(--on-accent);
  font-weight: 600;
}
.button:hover { filter: brightness(1.06); }
.button.quiet { background: none; border-color: var(--line); color: inherit; }
.spinner {
  inline-size: 28px;
  block-size: 28px;
  border: 3px solid var(--line);
  border-block-start-color: var(--accent);
  border-radius: 50%;
  animation: turn 800ms linear infinite;
}
@keyframes turn { to { transform: rotate(1turn); } }
.offline { margin: 0; padding: 8px 16px; background: var(--hover); border-block-end: 1px solid var(--line); font-size: 14px; }
.entries { list-style: none; margin: 0; padding: 8px; }
.entry {
  display: flex;
  align-items: center;
  gap: 12px;
  inline-size: 100%;
  min-block-size: 44px;
  padding: 8px 12px;
  border: 0;
  border-radius: 10px;
  background: none;
  color: inherit;
  text-align: start;
  text-decoration: none;
}
.entry:hover { background: var(--hover); }
form { display: flex; flex-direction: column; gap: 14px; padding: 16px; }
form p { margin: 0; color: var(--muted); font-size: 14px; }
label { display: flex; flex-direction: column; gap: 4px; font-weight: 600; font-size: 14px; }
input, select, textarea {
  padding: 9px 12px;
  border: 1px solid var(--muted);
  border-radius: 10px;
  background: var(--surface);
  font-weight: 400;
  font-size: 16px;
}
textarea { min-block-size: 84px; resize: vertical; }
form .button { align-self: start; }
/* Large enough for a finger, and out of the way of the button in the corner. */
.resize {
  position: absolute;
  inset-block-start: -8px;
  inset-inline-start: -8px;
  z-index: 1;
  inline-size: 24px;
  block-size: 24px;
  padding: 0;
  border: 0;
  background: none;
  cursor: nwse-resize;
  touch-action: none;
}
.resize:dir(rtl) { cursor: nesw-resize; }
.resize::after {
  content: '';
  position: absolute;
  inset-block-start: 13px;
  inset-inline-start: 13px;
  inline-size: 9px;
  block-size: 9px;
  border: solid var(--muted);
  border-width: 2px 0 0 2px;
  border-start-start-radius: 4px;
  opacity: 0;
}
.resize:dir(rtl)::after { border-width: 2px 2px 0 0; }
.panel[data-mode='panel'] .resize { inset-block-start: 0; inset-inline-start: 0; block-size: 100%; inline-size: 8px; cursor: ew-resize; }
.panel[data-mode='panel'] .resize::after { inset-block: 0; inset-inline-start: 0; inline-size: 0; block-size: auto; border-width: 0 0 0 2px; border-radius: 0; }
@media (prefers-reduced-motion: reduce) { .spinner { animation-duration: 3s; } }
@media (forced-colors: active) { .panel, .button { border: 1px solid ButtonText; } }
@media print { .panel:not([data-mode='inline']) { display: none; } }
`;
