/** Settings for a browser that is installed on the machine, and for machines with little to spare. */
import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

const base = require('@jupyterlab/galata/lib/playwright-config');
const port = process.env.STRATA_UI_PORT ?? '8899';
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);

export default defineConfig({
  ...base,
  workers: 1,
  retries: process.env.CI ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    ...base.use,
    actionTimeout: 15_000,
    baseURL: `http://127.0.0.1:${port}`,
    video: 'off',
    trace: 'off',
    launchOptions: {
      executablePath: chromium,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage'
      ]
    }
  },
  webServer: {
    command: 'jlpm start',
    url: `http://127.0.0.1:${port}/lab`,
    timeout: 120_000,
    reuseExistingServer: !process.env.CI,
    stderr: 'ignore'
  }
});
