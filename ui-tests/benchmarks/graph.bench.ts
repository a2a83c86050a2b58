/** How long frames take while a large graph is panned and zoomed. */
import { expect, test } from '@jupyterlab/galata';
import { command, open, unique } from '../tests/notebook';
import { CELLS, figure } from './figures';

/** Cells in levels: each reads two of the level above. */
const layered = (tag: string) =>
  Array.from({ length: CELLS }, (_, i) =>
    i < 12 ? `v${i} = "${tag}${i}"` : `v${i} = [v${i - 12}, v${i - 11}]`
  );

test(`a graph of ${CELLS} cells is moved`, async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/layers.ipynb`, layered(unique('layers')));
  await command(page, 'strata:open-graph');
  const drawing = page.locator('#jp-main-dock-panel .strata-Graph-drawing');
  await expect(drawing.locator('.strata-Graph-node')).toHaveCount(CELLS, { timeout: 60_000 });
  const frames = await drawing.evaluate(async node => {
    const found: number[] = [];
    const { left, top, width, height } = node.getBoundingClientRect();
    const at = { clientX: left + width / 2, clientY: top + height / 2, bubbles: true, cancelable: true };
    let last = performance.now();
    for (let i = 0; i < 120; i++) {
      const zoom = i % 60 < 30;
      node.dispatchEvent(
        new WheelEvent('wheel', { ...at, deltaY: (i % 60 < 15 ? -1 : 1) * (zoom ? 20 : 12), ctrlKey: zoom })
      );
      await new Promise(resolve => requestAnimationFrame(resolve));
      const now = performance.now();
      found.push(now - last);
      last = now;
    }
    return found.slice(5);
  });
  figure('frames', frames);
});
