/** Notebooks for the tests: written as files, opened as a user would, told apart by their kernel. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, type IJupyterLabPageFixture } from '@jupyterlab/galata';
import type { Locator, Page } from '@playwright/test';

/** Return a tag that makes cells new to a store that has seen these tests before. */
export const unique = (tag: string): string => `${tag}-${Date.now().toString(36)}`;

/** Return a notebook of these code cells; ids are c0, c1, … */
export const content = (cells: string[], kernel = 'strata') => ({
  metadata: {
    kernelspec: { name: kernel, display_name: kernel, language: 'python' },
    language_info: { name: 'python' }
  },
  nbformat: 4,
  nbformat_minor: 5,
  cells: cells.map((source, i) => ({
    cell_type: 'code',
    id: `c${i}`,
    metadata: {},
    source,
    outputs: [],
    execution_count: null
  }))
});

/** Return a port that nobody listens on. */
export async function vacant(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise(closed => probe.close(closed));
  return port;
}

/** Write a notebook of these code cells and open it; ids are c0, c1, … */
export async function open(
  page: IJupyterLabPageFixture,
  path: string,
  cells: string[],
  kernel = 'strata'
): Promise<void> {
  await upload(page, path, cells, kernel);
  await reopen(page, path);
}

/** Write a notebook of these code cells; ids are c0, c1, … */
export async function upload(
  page: IJupyterLabPageFixture,
  path: string,
  cells: string[],
  kernel = 'strata'
): Promise<void> {
  await page.contents.uploadContent(JSON.stringify(content(cells, kernel)), 'text', path);
}

/** Open a notebook and wait for its kernel. */
export async function reopen(page: IJupyterLabPageFixture, path: string): Promise<void> {
  await command(page, 'docmanager:open', { path });
  await page.waitForFunction(
    wanted => (window as any).jupyterapp.shell.currentWidget?.context?.path === wanted,
    path
  );
  await idle(page);
}

/** Wait until the kernel has nothing to do. */
export async function idle(page: Page): Promise<void> {
  const is = () => {
    const panel = (window as any).jupyterapp.shell.currentWidget;
    return panel?.context?.isReady && panel.sessionContext?.session?.kernel?.status === 'idle';
  };
  // A kernel that starts on a busy machine takes its time.
  await page.waitForFunction(is, undefined, { timeout: 60_000 });
}

/** The badge of a cell by its place. */
export function badge(page: IJupyterLabPageFixture, place: number): Locator {
  return page.locator('.jp-Notebook .jp-Cell').nth(place).locator('.strata-Badge');
}

/** Wait for the states of all badges, in order. */
export async function states(page: IJupyterLabPageFixture, ...expected: string[]): Promise<void> {
  await expect
    .poll(() =>
      page
        .locator('.strata-Badge:visible')
        .evaluateAll(found => found.map(node => (node as HTMLElement).dataset.state))
    )
    .toEqual(expected);
}

/** Run a command of JupyterLab and wait for its end. */
export async function command(
  page: IJupyterLabPageFixture,
  id: string,
  args: Record<string, unknown> = {}
): Promise<void> {
  await page.evaluate(
    async ([name, given]) => {
      await (window as any).jupyterapp.commands.execute(name, given);
    },
    [id, args] as const
  );
}

/** Save the notebook, end its kernel and close it. */
export async function shut(page: IJupyterLabPageFixture): Promise<void> {
  await page.evaluate(async () => {
    const panel = (window as any).jupyterapp.shell.currentWidget;
    await panel.context.save();
    await panel.sessionContext.shutdown();
    panel.dispose();
  });
}

/** Replace the source of a cell as an editor would. */
export async function edit(
  page: IJupyterLabPageFixture,
  place: number,
  source: string
): Promise<void> {
  await page.evaluate(
    ([i, text]) => {
      const { content } = (window as any).jupyterapp.shell.currentWidget;
      content.widgets[i].model.sharedModel.setSource(text);
    },
    [place, source] as const
  );
}

/** Keep a picture to be looked at, when a folder for them is named. */
export async function shot(page: IJupyterLabPageFixture, name: string): Promise<void> {
  if (process.env.STRATA_SHOTS) {
    await page.screenshot({ path: `${process.env.STRATA_SHOTS}/${name}.png` });
  }
}
