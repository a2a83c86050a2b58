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

  await badge(page, 1).click();
  const panel = page.getByRole('region', { name: 'Why' });
  await panel.getByRole('button', { name: 'Step through the passes' }).click();
  const pass = panel.getByRole('slider', { name: 'Pass' });
  const value = panel.getByRole('group', { name: 'Preview of x' });
  await expect(pass).toHaveAttribute('aria-valuetext', 'Pass 8 of 8');
  await expect(value).toContainText(String(tag.length + 8));
  await pass.press('ArrowLeft');
  await expect(pass).toHaveAttribute('aria-valuetext', 'Pass 7 of 8');
  await expect(value).toContainText(String(tag.length + 7));
  await pass.press('Home');
  await expect(value).toContainText(String(tag.length + 1));
  await shot(page, 'passes');
  await page.theme.setDarkTheme();
  await shot(page, 'passes-dark');
});
