import { serious } from './axe';
import { expect, test } from './fixture';
import { badge, command, edit, open, states, unique } from './notebook';

test('axe finds nothing serious in what is ours', async ({ page, tmpPath }) => {
  const tag = unique('axe');
  await open(page, `${tmpPath}/axe.ipynb`, [`a = [1, "${tag}"][0]`, `b = [a, "${tag}"][0]`]);
  await states(page, 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh');
  await edit(page, 0, `a = [2, "${tag}"][0]`);
  await states(page, 'edited', 'stale');
  await badge(page, 1).click();
  await expect(page.locator('.strata-Why-header')).toBeVisible();
  expect(await serious(page)).toEqual([]);
  await command(page, 'strata:show-graph');
  await expect(page.locator('.strata-Graph-node')).toHaveCount(2);
  expect(await serious(page)).toEqual([]);
  void command(page, 'strata:plan-run');
  await expect(page.getByRole('dialog')).toContainText('2 to run');
  expect(await serious(page)).toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await command(page, 'strata:show-places');
  const places = page.getByRole('region', { name: 'Places' });
  await expect(places).toContainText('All cells run on this machine.');
  await places.getByRole('button', { name: 'Add a worker' }).click();
  await expect(page.getByRole('dialog').getByLabel('Name')).toBeFocused();
  expect(await serious(page)).toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await places.getByRole('button', { name: 'Add a connection' }).click();
  await expect(page.getByRole('dialog').getByLabel('Name')).toBeFocused();
  expect(await serious(page)).toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('.strata-Status').click();
  await expect(page.getByRole('dialog')).toContainText('Size');
  expect(await serious(page)).toEqual([]);
  await page.getByRole('button', { name: 'Ok', exact: true }).click();
});

test('axe finds nothing serious in what is shown of values', async ({ page, tmpPath }) => {
  const tag = unique('axe-values');
  await open(page, `${tmpPath}/values.ipynb`, [
    `import pandas as pd\ndf = pd.DataFrame({"place": ["${tag}"] * 120, "value": range(120)})\nnote = "${tag}"`
  ]);
  await states(page, 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh');
  await badge(page, 0).click();
  const panel = page.getByRole('region', { name: 'Why' });
  await panel.getByRole('button', { name: 'df', exact: true }).click();
  await expect(panel.getByText('1–50 of 120')).toBeVisible();
  expect(await serious(page)).toEqual([]);
  await panel.getByRole('button', { name: 'note', exact: true }).click();
  await expect(panel.getByText(`'${tag}'`)).toBeVisible();
  expect(await serious(page)).toEqual([]);
});
