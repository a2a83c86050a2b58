import { serious } from './axe';
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

test('the pictures of the passes stand in a row, and lead to their passes', async ({ page, tmpPath }) => {
  const tag = unique('film');
  await open(page, `${tmpPath}/film.ipynb`, [
    `import matplotlib.pyplot as plt\nx = len("${tag}") * 0`,
    `# @loop max_iter=60 carry=x\nplt.figure(figsize=(1.2, 0.9), dpi=60)\nplt.plot([i * x for i in range(9)])\nplt.ylim(0, 480)\nplt.show()\nx = x + 1`
  ]);
  await states(page, 'new', 'new');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'fresh', 'fresh');
  await badge(page, 1).click();
  const panel = page.getByRole('region', { name: 'Why' });
  await panel.getByRole('button', { name: 'Step through the passes' }).click();
  const film = panel.getByRole('listbox', { name: 'Pictures of the passes' });
  const chosen = film.locator('[aria-selected=true]');
  await expect(chosen).toHaveAccessibleName('Pass 60 of 60');
  await expect(chosen.locator('img')).toHaveAttribute('alt', 'Pass 60 of 60');
  await film.getByRole('option', { name: 'Pass 59 of 60' }).click();
  await expect(panel.getByRole('slider', { name: 'Pass' })).toHaveAttribute('aria-valuetext', 'Pass 59 of 60');
  await page.keyboard.press('ArrowLeft');
  await expect(film.getByRole('option', { name: 'Pass 58 of 60' })).toBeFocused();
  await expect(panel.getByRole('group', { name: 'Preview of x' })).toContainText('58');
  expect(await serious(page)).toEqual([]);
  await shot(page, 'film');
  await page.keyboard.press('Home');
  await expect(film.getByRole('option', { name: 'Pass 1 of 60' }).locator('img')).toBeInViewport();
  // Far from what is looked at, nothing is drawn.
  expect(await film.getByRole('option').count()).toBeLessThan(24);
  await page.theme.setDarkTheme();
  await shot(page, 'film-dark');
});
