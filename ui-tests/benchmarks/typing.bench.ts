/** What a key costs in a long notebook, with the extension and without it, in turn. */
import { test, type IJupyterLabPageFixture } from '@jupyterlab/galata';
import { command, open, unique } from '../tests/notebook';
import { CELLS, fan, figure, without } from './figures';

const KEYS = 40;

/** Put the caret at the end of the last cell but nine, as someone would who works at the end. */
async function caret(page: IJupyterLabPageFixture): Promise<void> {
  await page.evaluate(async () => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.activeCellIndex = content.widgets.length - 10;
    await content.scrollToItem(content.activeCellIndex);
    content.mode = 'edit';
    const { editor } = content.activeCell;
    editor.focus();
    editor.setCursorPosition({ line: 0, column: editor.getLine(0).length });
  });
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
    await (side === 'without' ? without(page) : page.unrouteAll());
    await command(page, 'application:close-all');
    await page.reload();
    await open(page, `${tmpPath}/type${turn}.ipynb`, fan(unique(`type${turn}`)));
    await page.waitForFunction(
      ([count, badges]) => document.querySelectorAll('.strata-Badge').length === (badges ? count : 0),
      [CELLS, side === 'with'] as const,
      { timeout: 90_000 }
    );
    await caret(page);
    const found = await typed(page);
    sides[side].push(...found.slice(5));
  }
  figure('typing', sides.with, { without: sides.without });
});
