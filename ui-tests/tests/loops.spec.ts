import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique } from './notebook';

test('a loop tells the pass it is at, and how long the others will take', async ({ page, tmpPath }) => {
  const tag = unique('loop');
  await open(page, `${tmpPath}/loop.ipynb`, [
    `x = len("${tag}")`,
    `# @loop max_iter=8 carry=x\nimport time\ntime.sleep(0.8)\nx = x + 1`
  ]);
  await states(page, 'new', 'new');
  void command(page, 'notebook:run-all-cells');
  await expect(badge(page, 1)).toHaveText(/^running · [2-6]\/8 · \d.* s · about \d.* s left$/);
  await shot(page, 'loop');
  await states(page, 'fresh', 'fresh');
  await expect(badge(page, 1)).toHaveText(/^ran · /);
});
