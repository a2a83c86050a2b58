import { expect, test } from '@jupyterlab/galata';
import { badge, command, edit, open, states, unique } from './notebook';

const OURS = ['.strata-Badge', '.strata-Why', '.strata-Graph', '.strata-Status', '.strata-Plan'];

test('axe finds nothing serious in what is ours', async ({ page, tmpPath }) => {
  const tag = unique('axe');
  await open(page, `${tmpPath}/axe.ipynb`, [`a = [1, "${tag}"][0]`, `b = [a, "${tag}"][0]`]);
  await states(page, 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh');
  await edit(page, 0, `a = [2, "${tag}"][0]`);
  await states(page, 'edited', 'stale');
  await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });
  const serious = () =>
    page.evaluate(async ours => {
      const there = ours.filter(selector => document.querySelector(selector));
      const { violations } = await (window as any).axe.run({ include: there.map(item => [item]) });
      return violations
        .filter((found: any) => ['serious', 'critical'].includes(found.impact))
        .map((found: any) => `${found.id}: ${found.nodes.map((node: any) => node.html).join()}`);
    }, OURS);
  await badge(page, 1).click();
  await expect(page.locator('.strata-Why-header')).toBeVisible();
  expect(await serious()).toEqual([]);
  await command(page, 'strata:show-graph');
  await expect(page.locator('.strata-Graph-node')).toHaveCount(2);
  expect(await serious()).toEqual([]);
  void command(page, 'strata:plan-run');
  await expect(page.getByRole('dialog')).toContainText('2 to run');
  expect(await serious()).toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
});
