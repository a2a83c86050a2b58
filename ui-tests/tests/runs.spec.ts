import { expect, test } from './fixture';
import { badge, command, edit, idle, open, shot, states, unique } from './notebook';

const cells = (tag: string) => [
  `a = [1, "${tag}"][0]`,
  `b = [a + 1, "${tag}"][0]`,
  `c = [10, "${tag}"][0]`,
  `d = [b + c, "${tag}"][0]\nd`
];

test('run stale runs what is stale and nothing else', async ({ page, tmpPath }) => {
  const tag = unique('stale');
  await open(page, `${tmpPath}/stale.ipynb`, cells(tag));
  await states(page, 'new', 'new', 'new', 'new');
  await page.locator('.jp-NotebookPanel-toolbar [data-command="strata:run-stale"]').click();
  await states(page, 'fresh', 'fresh', 'fresh', 'fresh');
  await edit(page, 1, `b = [a + 100, "${tag}"][0]`);
  await states(page, 'fresh', 'edited', 'fresh', 'stale');
  await shot(page, 'stale');
  await page.locator('.jp-Notebook .jp-Cell').first().click();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Alt+Enter');
  await states(page, 'fresh', 'fresh', 'fresh', 'fresh');
  await expect(page.locator('.jp-OutputArea-output')).toHaveText('111');
  await expect(page.locator('.jp-InputPrompt')).toHaveText(['[1]:', '[5]:', '[3]:', '[6]:']);
  await expect(page.locator('#jp-main-statusbar')).toContainText('0 of 4 served');
});

test('a cell that fails holds up only what depends on it', async ({ page, tmpPath }) => {
  const tag = unique('fails');
  const [a, , c] = cells(tag);
  await open(page, `${tmpPath}/fails.ipynb`, [a, '1 / 0\nb = a', c, `[b, "${tag}"]`, `[c, "${tag}"]`]);
  await states(page, 'new', 'new', 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'failed', 'fresh', 'blocked', 'fresh');
  await badge(page, 3).hover();
  await expect(badge(page, 3)).toHaveAttribute('title', /`b` could not be made in \[2\]/);
  await shot(page, 'blocked');
});

test('force runs a cell whatever is cached, and leaves no trace', async ({ page, tmpPath }) => {
  const source = 'import random\nprint("forced", random.random() * 0)';
  await open(page, `${tmpPath}/force.ipynb`, [source]);
  await expect(badge(page, 0)).toBeVisible();
  await command(page, 'strata:run-stale');
  await idle(page);
  await command(page, 'strata:run-forced');
  await idle(page);
  const metadata = await page.evaluate(
    () => (window as any).jupyterapp.shell.currentWidget.content.widgets[0].model.metadata
  );
  expect(metadata).not.toHaveProperty('strata');
  await expect(badge(page, 0)).not.toContainText('served');
});

test('a plan says what would run before it runs', async ({ page, tmpPath }) => {
  const tag = unique('plan');
  await open(page, `${tmpPath}/plan.ipynb`, cells(tag));
  await states(page, 'new', 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh', 'fresh', 'fresh');
  await edit(page, 0, `a = [5, "${tag}"][0]`);
  await states(page, 'edited', 'stale', 'fresh', 'stale');
  void command(page, 'strata:plan-run');
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('3 to run');
  await shot(page, 'plan');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await states(page, 'fresh', 'fresh', 'fresh', 'fresh');
});
