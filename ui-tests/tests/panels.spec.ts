import { expect, test } from './fixture';
import { badge, command, edit, open, shot, states, unique } from './notebook';

const cells = (tag: string) => [
  `import time\ntime.sleep(0.3)\nrows = [len("${tag}")] * 4`,
  `# @name clean\ntidy = [row + 1 for row in rows] + ["${tag}"][:0]`,
  `limit = ["${tag}", 3][1]`,
  `small = [row for row in tidy if row < limit] + ["${tag}"][:0]`,
  `report = (len(small), len(tidy), "${tag}")\nreport`
];

test('the graph shows levels and names, and leads to cells', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/graph.ipynb`, cells(unique('graph')));
  await states(page, ...Array(5).fill('new'));
  await command(page, 'notebook:run-all-cells');
  await states(page, ...Array(5).fill('fresh'));
  await command(page, 'strata:show-graph');
  const nodes = page.locator('.strata-Graph-node');
  await expect(nodes).toHaveCount(5);
  await expect(page.locator('.strata-Graph-edge text')).toContainText(['rows']);
  await shot(page, 'graph-first');
  await page.getByRole('button', { name: /^clean: ran/ }).dblclick();
  await expect(page.locator('.jp-Notebook .jp-Cell').nth(1)).toHaveClass(/jp-mod-active/);
  await expect(nodes.nth(1)).toHaveClass(/strata-mod-selected/);
  await edit(page, 2, 'limit = 2000');
  await expect(nodes.nth(3)).toHaveAttribute('data-state', 'stale');
  await shot(page, 'graph');
  await nodes.nth(3).hover();
  await expect(nodes.nth(3)).not.toHaveClass(/strata-mod-dim/);
  await nodes.nth(1).focus();
  await page.keyboard.press('ArrowDown');
  await expect(nodes.nth(1)).not.toHaveClass(/strata-mod-selected/);
  await page.getByPlaceholder('Find cells or names').fill('limit');
  await page.mouse.move(300, 5);
  await expect(nodes.nth(0)).toHaveClass(/strata-mod-dim/);
  await expect(nodes.nth(2)).not.toHaveClass(/strata-mod-dim/);
});

test('the why panel explains the selected cell', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/why.ipynb`, cells(unique('why')));
  await states(page, ...Array(5).fill('new'));
  await command(page, 'notebook:run-all-cells');
  await states(page, ...Array(5).fill('fresh'));
  await edit(page, 0, 'rows = [7] * 5 + ["why"][:0]');
  await states(page, 'edited', 'stale', 'fresh', 'stale', 'stale');
  await badge(page, 1).click();
  const panel = page.getByRole('region', { name: 'Why' });
  await expect(panel.getByRole('heading', { name: 'clean' })).toBeVisible();
  await expect(panel).toContainText('`rows` changed in [1]');
  await shot(page, 'why-stale');
  await badge(page, 2).click();
  await expect(panel.getByRole('row', { name: /limit int/ })).toBeVisible();
  await shot(page, 'why');
});
