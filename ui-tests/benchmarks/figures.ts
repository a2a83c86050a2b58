/** What the benchmarks share: long notebooks, a page without the extension, and figures for the table. */
import type { IJupyterLabPageFixture } from '@jupyterlab/galata';

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

export const median = (values: number[]): number => quantile(values, 0.5);

export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

/** Let the next document that this page loads have no extension of ours: its code does not come. */
export async function without(page: IJupyterLabPageFixture): Promise<void> {
  // Of the context: galata's page has routes of its own before ours. The document itself stays as the server sends it,
  // as a browser lets no other speak to a server on this machine.
  await page.context().route('**/extensions/strata-labextension/**', route => route.abort());
}
