/** What a key costs in a long notebook, with the extension and without it, in turn. */
import { test, type IJupyterLabPageFixture } from '@jupyterlab/galata';
import { open, shut, unique } from '../tests/notebook';
import { CELLS, fan, figure, without } from './figures';

const KEYS = 60;

/** Put the caret at the end of the last cell but nine, as someone would who works at the end. */
async function caret(page: IJupyterLabPageFixture): Promise<void> {
  await page.evaluate(async () => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.length - 10;
    // Cells that are far away have no editor yet: it comes some time after they do.
    await content.scrollToItem(content.activeCellIndex);
  });
  await page.locator('.jp-Notebook .jp-Cell.jp-mod-active .cm-content').click();
  await page.keyboard.press('End');
}

/** Type and return the milliseconds from each key to the frame that shows it. */
async function typed(page: IJupyterLabPageFixture): Promise<number[]> {
  await page.evaluate(() => {
    const found: number[] = ((window as any).typed = []);
    const onKey = () => {
      const began = performance.now();
      requestAnimationFrame(() => setTimeout(() => found.push(performance.now() - began), 0));
    };
    window.addEventListener('keydown', onKey, { capture: true });
    (window as any).quit = () => window.removeEventListener('keydown', onKey, { capture: true });
  });
  for (let i = 0; i < KEYS; i++) {
    await page.keyboard.press(i % 8 === 7 ? 'Space' : '1', { delay: 10 });
    await page.waitForTimeout(70);
  }
  return page.evaluate(() => ((window as any).quit(), (window as any).typed));
}

test('typing with and without the extension', async ({ page, tmpPath }) => {
  const sides = { with: [] as number[], without: [] as number[] };
  for (const turn of [0, 1, 2, 3]) {
    const side = turn % 2 ? 'without' : 'with';
    await (side === 'without' ? without(page) : page.context().unrouteAll());
    // Without the notebook of the turn before.
    await page.goto('?reset');
    await open(page, `${tmpPath}/type${turn}.ipynb`, fan(unique(`type${turn}`)));
    await page.waitForFunction(
      ([count, badges]) => {
        const number = (selector: string) => document.querySelectorAll(`.jp-Notebook ${selector}`).length;
        return number('.cm-editor') >= count && number('.strata-Badge') === badges;
      },
      [CELLS, side === 'with' ? CELLS : 0] as const,
      { timeout: 60_000 }
    );
    await caret(page);
    const found = await typed(page);
    sides[side].push(...found.slice(5));
    await shut(page);
  }
  figure('typing', sides.with, { without: sides.without });
});
