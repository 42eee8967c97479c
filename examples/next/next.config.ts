import type { NextConfig } from 'next';

export default {
  poweredByHeader: false,
  // This folder, and not whatever else has a lock file above it.
  turbopack: { root: import.meta.dirname },
} satisfies NextConfig;
