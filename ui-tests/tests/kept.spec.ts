import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique } from './notebook';

const cells = (tag: string) => [
  `# @name load\nimport pandas as pd\nfrom pathlib import Path\ndf = pd.DataFrame({"place": ["${tag}"] * 120, "value": range(120)})`,
  `# @name means\nmeans = df.groupby("place").mean()\nPath("${tag}.csv").write_text("a,b\\n1,2\\n")`,
  `# @name picture\nfrom matplotlib.figure import Figure\nfig = Figure(figsize=(3, 2))\nfig.subplots().plot(df["value"])\nnote = f"{len(df)} rows" if "${tag}" else ""`
];

test('values are looked at, pinned and cleared', async ({ page, tmpPath }) => {
  const tag = unique('kept');
  await open(page, `${tmpPath}/kept.ipynb`, cells(tag));
  await states(page, 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh', 'fresh');
  const panel = page.getByRole('region', { name: 'Why' });

  await badge(page, 0).click();
  const outputs = panel.getByRole('table', { name: 'Outputs' });
  await expect(outputs.getByRole('row', { name: /^df DataFrame 120 × 2 / })).toBeVisible();
  await outputs.getByRole('button', { name: 'df', exact: true }).click();
  await expect(panel.getByText('1–50 of 120')).toBeVisible();
  await expect(panel.getByRole('cell', { name: '49', exact: true })).toHaveCount(2);
  await panel.getByTitle('Rows after').click();
  await expect(panel.getByText('51–100 of 120')).toBeVisible();
  await shot(page, 'preview-table');
  await panel.getByTitle('Close preview').click();
  await expect(panel.getByText('51–100 of 120')).toHaveCount(0);

  await badge(page, 1).click();
  await expect(panel.getByRole('heading', { name: 'means' })).toBeVisible();
  await expect(panel.getByRole('table', { name: 'Inputs' })).toContainText('load');
  await panel.getByRole('button', { name: `${tag}.csv` }).click();
  await expect(panel.getByRole('region', { name: 'Rows' })).toContainText('2');
  await shot(page, 'preview-file');

  await badge(page, 2).click();
  await expect(panel.getByRole('heading', { name: 'picture' })).toBeVisible();
  await panel.getByRole('button', { name: 'note', exact: true }).click();
  await expect(panel.getByText("'120 rows'")).toBeVisible();
  await panel.getByRole('button', { name: 'fig', exact: true }).click();
  await expect(panel.getByRole('img', { name: 'Picture of fig' })).toBeVisible();
  await expect(panel.locator('.strata-Lineage')).toContainText('load');
  await shot(page, 'preview-image');

  await panel.getByTitle('Pin: never collect what is kept').click();
  await expect(panel.getByTitle('Unpin: let what is kept be collected')).toBeVisible();
  await expect(panel).toContainText('pinned');
  await panel.getByTitle('Unpin: let what is kept be collected').click();
  await expect(panel.getByTitle('Pin: never collect what is kept')).toBeVisible();
  await panel.getByTitle('Clear what is kept of it').click();
  await states(page, 'fresh', 'fresh', 'stale');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh', 'fresh');
});

test('clearing a notebook asks first', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/clear.ipynb`, [`a = "${unique('clear')}"`, `b = [a * 2, "${unique('twice')}"]`]);
  await states(page, 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh');
  void command(page, 'strata:clear-notebook');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await states(page, 'fresh', 'fresh');
  const done = command(page, 'strata:clear-notebook');
  await expect(page.getByRole('dialog')).toContainText('2 code cells');
  await page.getByRole('dialog').getByRole('button', { name: 'Clear' }).click();
  await done;
  await states(page, 'stale', 'stale');
});

test('freezing a cell keeps its answer until it is refreshed', async ({ page, tmpPath }) => {
  const tag = unique('freeze');
  await open(page, `${tmpPath}/freeze.ipynb`, [`import time\nnow = ["${tag}", time.time()]\nnow[1]`]);
  await states(page, 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'frozen');
  await expect(badge(page, 0)).toHaveText(/frozen since \d/);
  await shot(page, 'frozen');
  const output = page.locator('.jp-OutputArea-output');
  const first = await output.textContent();
  await command(page, 'notebook:run-cell');
  await expect(output).toHaveText(first!);
  await command(page, 'strata:refresh-frozen');
  await expect(output).not.toHaveText(first!);
  await command(page, 'strata:toggle-frozen');
  const source = () =>
    page.evaluate(() =>
      (window as any).jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.getSource()
    );
  expect(await source()).toContain('# @cache frozen');
  await command(page, 'strata:toggle-frozen');
  expect(await source()).not.toContain('# @cache frozen');
});

test('the summary tells of the store and makes room', async ({ page, tmpPath }) => {
  const tag = unique('many');
  await open(page, `${tmpPath}/many.ipynb`, Array.from({ length: 6 }, (_, i) => `v${i} = "${tag}${i}"`));
  await states(page, ...Array(6).fill('new'));
  await command(page, 'strata:run-stale');
  await states(page, ...Array(6).fill('fresh'));
  await expect(page.getByText(/0 of 6 cells served · done in/)).toBeVisible();
  await shot(page, 'tally');
  await page.locator('.strata-Status').click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(/Size.* of 20.0 GB/);
  await shot(page, 'summary');
  await dialog.getByRole('button', { name: 'Make Room' }).click();
  await expect(page.getByText(/freed, \d+ runs removed/)).toBeVisible();
});
