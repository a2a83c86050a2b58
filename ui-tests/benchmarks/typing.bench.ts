/** What a key costs in a long notebook, with the extension and without it: two pages, typed in by turns, opened in either order. */
import { test } from '@jupyterlab/galata';
import type { Page } from '@playwright/test';
import { idle, unique, upload } from '../tests/notebook';
import { CELLS, fan, figure, without } from './figures';

/** Keys in one go, short enough that both pages see the same weather; the first ones of each warm up. */
const [KEYS, WARM, TURNS] = [15, 2, 6];

/** Open a notebook in a page of its own, with the caret where someone would type who works at its end. */
async function prepared(page: Page, path: string, badges: number): Promise<void> {
  await page.goto(`/lab/workspaces/bench-${badges}?reset`);
  await page.waitForFunction(() => (window as any).jupyterapp?.restored);
  await page.evaluate(async wanted => {
    const app = (window as any).jupyterapp;
    await app.restored;
    await app.commands.execute('docmanager:open', { path: wanted });
  }, path);
  await idle(page);
  await page.waitForFunction(
    ([cells, wanted]) => {
      const number = (selector: string) => document.querySelectorAll(`.jp-Notebook ${selector}`).length;
      return number('.cm-editor') >= cells && number('.strata-Badge') === wanted;
    },
    [CELLS, badges] as const,
    { timeout: 60_000 }
  );
  await page.evaluate(async () => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.length - 10;
    // Cells that are far away have no editor yet: it comes some time after they do.
    await content.scrollToItem(content.activeCellIndex);
  });
  await page.locator('.jp-Notebook .jp-Cell.jp-mod-active .cm-content').click();
  await page.keyboard.press('End');
  await page.evaluate(() => {
    const found: number[] = ((window as any).typed = []);
    const onKey = () => {
      const began = performance.now();
      requestAnimationFrame(() => setTimeout(() => found.push(performance.now() - began), 0));
    };
    window.addEventListener('keydown', onKey, { capture: true });
  });
}

/** Type and return the milliseconds from each key to the frame that shows it. */
async function typed(page: Page): Promise<number[]> {
  await page.bringToFront();
  for (let i = 0; i < KEYS; i++) {
    await page.keyboard.press(i % 8 === 7 ? 'Space' : '1', { delay: 10 });
    await page.waitForTimeout(70);
  }
  return page.evaluate(() => (window as any).typed.splice(0));
}

test('typing with and without the extension', async ({ page, tmpPath }) => {
  const found = { with: [] as number[], without: [] as number[] };
  // The page that was opened first is the slower one, whichever it is.
  for (const [round, sides] of (
    [
      ['with', 'without'],
      ['without', 'with']
    ] as const
  ).entries()) {
    const pages = {} as Record<keyof typeof found, Page>;
    for (const side of sides) {
      const path = `${tmpPath}/${side}-${round}.ipynb`;
      await upload(page, path, fan(unique(side)));
      pages[side] = await page.context().newPage();
      if (side === 'without') {
        await without(pages[side]);
      }
      await prepared(pages[side], path, side === 'with' ? CELLS : 0);
    }
    for (let turn = 0; turn <= TURNS; turn++) {
      for (const side of turn % 2 ? sides : [...sides].reverse()) {
        const values = await typed(pages[side]);
        found[side].push(...(turn ? values.slice(WARM) : []));
      }
    }
    await Promise.all(sides.map(side => pages[side].close()));
  }
  figure('typing', found.with, { without: found.without });
});
