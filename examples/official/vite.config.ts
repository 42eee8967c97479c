import { defineConfig } from 'vite';

// Parlor is behind the same address as the site: here by Vite, in production by whatever serves the site.
const parlor = 'http://127.0.0.1:8000';
const paths = ['/chatkit', '/widget.js', '/chunks', '/files', '/auth', '/connect'];
const proxy = Object.fromEntries(paths.map((path) => [path, parlor]));

export default defineConfig({ server: { proxy }, preview: { proxy } });
