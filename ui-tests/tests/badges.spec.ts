import { expect, test } from './fixture';
import { badge, command, edit, open, reopen, shot, shut, states, unique } from './notebook';

/** Cells that no other test has in the store. */
const cells = (tag: string) => [
  `import time\ntime.sleep(0.6)\nx = ["${tag}"].index("${tag}") + 1`,
  `y = [x + 1, "${tag}"][0]`,
  `note = "${tag}"\nprint("y is", y)`
];

test('cells are served after the notebook was closed and opened again', async ({ page, tmpPath }) => {
  const path = `${tmpPath}/hit.ipynb`;
  await open(page, path, cells(unique('hit')));
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'fresh', 'fresh', 'fresh');
  await expect(badge(page, 0)).toContainText('ran · 6');
  await shut(page);

  await reopen(page, path);
  await states(page, 'servable', 'servable', 'servable');
  await expect(badge(page, 0)).toContainText('will be served · 6');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'served', 'served', 'served');
  await expect(badge(page, 0)).toContainText('served · 6');
  await expect(page.locator('.jp-OutputArea-output')).toHaveText('y is 2');
});

test('an edit marks what depends on it, and says why', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/edit.ipynb`, cells(unique('edit')));
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'fresh', 'fresh', 'fresh');
  await edit(page, 1, 'y = x + 2000');
  await states(page, 'fresh', 'edited', 'stale');
  await badge(page, 2).hover();
  await expect(badge(page, 2)).toHaveAttribute('title', /`y`.*changed/);
  await expect(badge(page, 2)).toHaveAccessibleName('Strata: stale. Show why.');
  await shot(page, "edit");
});

test('a cell run on behalf of another shows its outputs', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/behalf.ipynb`, ['print("first")\na = 1', 'print(a + 1)']);
  await states(page, 'new', 'new');
  await page.evaluate(() => {
    (window as any).jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
  });
  await command(page, 'notebook:run-cell');
  await states(page, 'fresh', 'fresh');
  await expect(page.locator('.jp-OutputArea-output')).toHaveText(['first\n', '2\n']);
});

test('another kernel has no badges', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/other.ipynb`, cells(unique('other')), 'python3');
  await command(page, 'notebook:run-all-cells');
  await expect(page.locator('.jp-OutputArea-output')).toHaveText('y is 2');
  await expect(page.locator('.strata-Badge')).toHaveCount(0);
});
