/** What the benchmarks share: long notebooks, a page without the extension, and figures for the table. */
import type { Page } from '@playwright/test';

export const CELLS = Number(process.env.STRATA_BENCH_CELLS ?? 300);

/** Return cells that all depend on the first one. */
export const fan = (tag: string, count = CELLS): string[] => [
  `a = [1, "${tag}"]`,
  ...Array.from({ length: count - 1 }, (_, i) => `v${i + 1} = (a[0], ${i + 1})`)
];

/** Hand a figure to the command that prints the table. */
export function figure(name: string, values: number[], more: Record<string, unknown> = {}): void {
  console.log(`FIGURE ${JSON.stringify({ name, values, ...more })}`);
}

/** Let a page have no extension of ours: its code does not come. */
export async function without(page: Page): Promise<void> {
  await page.route('**/extensions/strata-labextension/**', route => route.abort());
}
