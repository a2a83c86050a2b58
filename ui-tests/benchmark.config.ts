/** As for the tests, but frames come as fast as the page makes them, and nothing is tried twice. */
import { defineConfig } from '@playwright/test';
import base from './playwright.config';

export default defineConfig({
  ...base,
  testDir: 'benchmarks',
  testMatch: '*.bench.ts',
  retries: 0,
  timeout: 300_000
});
