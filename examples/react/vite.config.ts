import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Parlor is behind the same address as the site: here by Vite, in production by whatever serves the site.
const parlor = 'http://127.0.0.1:8000';
const proxy = Object.fromEntries(['/chatkit', '/chunks', '/files', '/auth', '/connect'].map((path) => [path, parlor]));

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy },
});
