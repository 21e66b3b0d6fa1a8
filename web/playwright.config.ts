import { defineConfig } from '@playwright/test';
import { chromium } from './e2e/harness/environment.ts';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  outputDir: 'e2e/output/results',
  globalSetup: './e2e/harness/global.ts',
  // The gateway under test is a debug build, and the machine may be small.
  timeout: 60_000,
  expect: { timeout: 10_000 },
  // Each starts gateways of its own, on ports of its own.
  workers: 2,
  fullyParallel: false,
  retries: 0,
  forbidOnly: true,
  reporter: [['list'], ['html', { outputFolder: 'e2e/output/report', open: 'never' }]],
  use: {
    launchOptions: { executablePath: chromium, args: ['--no-sandbox'] },
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    // Never UTC: a time that is shown in the wrong zone is seen.
    timezoneId: 'Europe/Berlin',
    contextOptions: { reducedMotion: 'reduce' },
    // Where nobody can open one, none is made: it takes an eighth of the time.
    trace: process.env.CI ? 'off' : 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [
    // The harness itself: needs no page.
    { name: 'harness', testMatch: 'harness.spec.ts' },
    { name: 'built', testMatch: 'harness/built.setup.ts' },
    { name: 'pages', testIgnore: 'harness.spec.ts', dependencies: ['built'] },
  ],
});
