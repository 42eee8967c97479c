export { type MarkdownAnnotation, type MarkdownOptions, StreamingMarkdown } from './StreamingMarkdown.js';
export { markdownStyles } from './markdown.styles.js';
