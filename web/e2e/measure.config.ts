/** What is measured by hand, and is no test: see `measure-scroll`. */

import { defineConfig } from '@playwright/test';
import base from '../playwright.config.ts';

export default defineConfig({
  ...base,
  testDir: '.',
  testMatch: 'measure-scroll.ts',
  globalSetup: './harness/global.ts',
  outputDir: 'output/measured',
  timeout: 900_000,
  workers: 1,
  reporter: [['line']],
  projects: [{ name: 'measure' }],
  // A trace and the pictures for it would be most of what is measured.
  use: { ...base.use, trace: 'off', screenshot: 'off' },
});
