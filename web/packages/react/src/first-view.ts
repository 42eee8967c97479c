// What is needed before the chat is opened for the first time: the script tag's first download.
export { AskButton, Launcher, questionAbout } from './launcher.js';
export { LABELS, type Labels } from './labels.js';
export { Memory } from './memory.js';
export { Shell } from './shell.js';
export { useColorScheme } from './use-color-scheme.js';
export { useTextSelection } from './use-text-selection.js';
export { whenIdle } from './when-idle.js';
