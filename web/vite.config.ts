import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // The gateway puts a fresh one in its place with each page it sends.
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    target: 'es2022',
    // Inlined files would be data: URLs, which the page's policy allows for pictures alone.
    assetsInlineLimit: 0,
    sourcemap: false,
    manifest: true,
    chunkSizeWarningLimit: 700,
  },
  server: {
    // The devices are read from the pages of the documentation.
    fs: { allow: ['.', '../docs'] },
    // `npm run dev` beside a gateway on its default address.
    proxy: { '/api': 'http://127.0.0.1:8400' },
  },
  test: {
    // What wants a document says so at its head: making one takes longer than most tests.
    environment: 'node',
    include: ['src/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
});
