import type { PrismTheme } from 'prism-react-renderer';

interface Palette {
  background: string;
  text: string;
  comment: string;
  string: string;
  key: string;
  word: string;
  value: string;
}

/** The colours of code on Parlor's own pages, each readable on its background (WCAG AA). */
const palette = ({ background, text, comment, string, key, word, value }: Palette): PrismTheme => ({
  plain: { backgroundColor: background, color: text },
  styles: [
    { types: ['comment', 'prolog', 'doctype', 'cdata'], style: { color: comment, fontStyle: 'italic' } },
    { types: ['string', 'char', 'attr-value', 'url', 'inserted'], style: { color: string } },
    { types: ['property', 'key', 'attr-name', 'tag', 'function', 'class-name', 'table', 'selector'], style: { color: key } },
    { types: ['keyword', 'builtin', 'atrule', 'important', 'macro', 'parameter', 'directive'], style: { color: word } },
    { types: ['number', 'boolean', 'constant', 'symbol', 'variable', 'regex', 'deleted'], style: { color: value } },
  ],
});

export const light = palette({
  background: '#f3f1eb',
  text: '#33302a',
  comment: '#6b675e',
  string: '#1c6133',
  key: '#23549b',
  word: '#7a3a9c',
  value: '#8a4a10',
});

export const dark = palette({
  background: '#1a1816',
  text: '#e4e0d8',
  comment: '#a09a8e',
  string: '#a3d9a5',
  key: '#9cc3f5',
  word: '#d3aef0',
  value: '#e8bd8c',
});
