import { expect, test } from './fixture';
import { command, open, shot, states, unique } from './notebook';

const cells = (tag: string) => [
  `data = [1, 2, 3, "${tag}"][:3]`,
  `# @variant model linear\nscore = sum(data) + len("${tag}"[:0])`,
  `# @variant model forest\nscore = max(data) * 100 + len("${tag}"[:0])`,
  `print("score is", score, "${tag}"[:0])`
];

test('variants are switched, added, renamed and removed', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/variants.ipynb`, cells(unique('variants')));
  const output = page.locator('.jp-OutputArea-output');
  const cell = (place: number) => page.locator('.jp-Notebook .jp-Cell').nth(place);
  const strip = (place: number) => cell(place).locator('.strata-Variants');
  const tab = (place: number, name: string) => strip(place).getByRole('tab', { name });
  const metadata = () =>
    page.evaluate(() => {
      const { model } = (window as any).jupyterapp.shell.currentWidget.context;
      return model.getMetadata('strata')?.variants;
    });
  await states(page, 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await expect(output).toHaveText(/^score is 6/);
  await expect(tab(1, 'linear')).toHaveAttribute('aria-selected', 'true');
  await expect(cell(2)).toHaveClass(/strata-mod-aside/);
  await shot(page, 'variants');

  await tab(2, 'forest').click();
  await states(page, 'fresh', 'new', 'stale');
  expect(await metadata()).toEqual({ model: 'forest' });
  await expect(cell(1)).toHaveClass(/strata-mod-aside/);
  await expect(cell(2)).not.toHaveClass(/strata-mod-aside/);
  await command(page, 'strata:run-stale');
  await expect(output).toHaveText(/^score is 300/);

  // Back again: nothing has to run.
  await tab(2, 'linear').click();
  await states(page, 'fresh', 'fresh', 'servable');

  await cell(1).click();
  const dialog = page.getByRole('dialog');
  await strip(1).getByRole('button', { name: 'Compare the variants of model' }).click();
  await expect(dialog.getByRole('row')).toHaveText([
    'Variantlinearforest',
    'Stateranran',
    /^Time\d.*\d/,
    'score6300'
  ]);
  await shot(page, 'variants-compared');
  await page.theme.setDarkTheme();
  await shot(page, 'variants-compared-dark');
  await page.theme.setLightTheme();
  await dialog.getByRole('button', { name: 'Close' }).click();

  await strip(1).getByRole('button', { name: 'Add a variant' }).click();
  await dialog.getByRole('textbox').fill('forest');
  await dialog.getByRole('button', { name: 'Ok' }).click();
  await expect(dialog).toContainText('forest is taken');
  await dialog.getByRole('textbox').fill('tree');
  await dialog.getByRole('button', { name: 'Ok' }).click();
  await expect(tab(2, 'tree')).toHaveAttribute('aria-selected', 'true');
  expect(await metadata()).toEqual({ model: 'tree' });

  await strip(2).getByRole('button', { name: 'Rename tree' }).click();
  await dialog.getByRole('textbox').fill('oak');
  await dialog.getByRole('button', { name: 'Ok' }).click();
  await expect(tab(2, 'oak')).toHaveAttribute('aria-selected', 'true');
  expect(await metadata()).toEqual({ model: 'oak' });
  await shot(page, 'variants-three');
  await page.theme.setDarkTheme();
  await shot(page, 'variants-dark');

  await strip(2).getByRole('button', { name: 'Remove oak' }).click();
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await expect(strip(1).getByRole('tab')).toHaveText(['linear', 'forest']);
  await expect(tab(1, 'linear')).toHaveAttribute('aria-selected', 'true');
  expect(await metadata()).toEqual({});
});
