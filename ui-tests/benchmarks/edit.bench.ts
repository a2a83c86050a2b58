/** How long it takes from a key to right badges and a right graph, all cells depending on the edited one. */
import { expect, test, type IJupyterLabPageFixture } from '@jupyterlab/galata';
import { command, open, shut, unique } from '../tests/notebook';
import { CELLS, fan, figure } from './figures';

const BUSY = 'import time\nbegan = time.time()\nwhile time.time() - began < 120:\n    sum(range(1000))';

/** Press a key and return the milliseconds to the frame that shows these states of all cells but the last. */
async function pressed(
  page: IJupyterLabPageFixture,
  key: string,
  first: string,
  others: string
): Promise<number> {
  await page.evaluate(
    ([head, tail, count]) => {
      let began = 0;
      window.addEventListener('keydown', () => (began = performance.now()), { capture: true, once: true });
      const right = (selector: string) => {
        const found = [...document.querySelectorAll<HTMLElement>(selector)];
        return (
          found.length >= count &&
          found.slice(0, count).every((node, i) => node.dataset.state === (i ? tail : head))
        );
      };
      (window as any).shown = new Promise<number>((resolve, reject) => {
        // Not looked for in every frame: drawing them all the time would be most of what is measured.
        const observer = new MutationObserver(() => {
          if (right('.strata-Badge') && right('.strata-Graph-node')) {
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began), 0));
          }
        });
        observer.observe(document.body, { attributeFilter: ['data-state'], subtree: true });
        setTimeout(() => {
          const wrong = [...document.querySelectorAll<HTMLElement>('[data-state]')]
            .map((node, i) => `${node.className} ${i}: ${node.dataset.state}`)
            .filter(text => !text.endsWith(tail));
          reject(new Error(wrong.slice(0, 9).join('; ')));
        }, 10_000);
      });
    },
    [first, others, CELLS] as const
  );
  await page.keyboard.press(key);
  return page.evaluate(() => (window as any).shown);
}

test(`${CELLS} cells after an edit`, async ({ page, tmpPath }) => {
  const tag = unique('edit');
  await open(page, `${tmpPath}/edit.ipynb`, [...fan(tag), `last = "${tag}"`]);
  await command(page, 'strata:show-graph');
  await expect(page.locator('.strata-Graph-node')).toHaveCount(CELLS + 1, { timeout: 90_000 });
  await command(page, 'notebook:run-all-cells');
  await expect(page.locator('.strata-Badge[data-state=fresh]')).toHaveCount(CELLS + 1, { timeout: 90_000 });
  await page.evaluate(async column => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.activeCellIndex = 0;
    await content.scrollToItem(0);
    content.mode = 'edit';
    content.activeCell.editor.focus();
    content.activeCell.editor.setCursorPosition({ line: 0, column });
  }, 'a = [1'.length);
  const rounds = async (name: string) => {
    const found: number[] = [];
    for (let i = 0; i < 5; i++) {
      found.push(await pressed(page, '2', 'edited', 'stale'));
      await page.waitForTimeout(300);
      found.push(await pressed(page, 'Backspace', 'fresh', 'fresh'));
      await page.waitForTimeout(300);
    }
    figure(name, found);
  };
  await rounds('idle');
  await page.evaluate(
    ([count, busy]) => {
      const { content } = (window as any).jupyterapp.shell.currentWidget;
      content.widgets[count as number].model.sharedModel.setSource(busy);
      const [cell] = content.widgets.slice(count);
      void (window as any).jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute(
        { code: busy },
        false,
        { cellId: cell.model.id }
      );
    },
    [CELLS, BUSY] as const
  );
  await expect(page.locator('.strata-Badge').last()).toHaveAttribute('data-state', 'running');
  await rounds('busy');
  // Not by an interrupt: galata cannot read its answer, which is empty.
  await shut(page);
});
