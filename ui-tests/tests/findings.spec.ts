import { expect, test } from './fixture';
import { badge, command, edit, open, shot, states, unique } from './notebook';

test('what is wrong with a directive is underlined and told', async ({ page, tmpPath }) => {
  const tag = unique('findings');
  await open(page, `${tmpPath}/findings.ipynb`, [
    `# @name load\nx = "${tag}"`,
    `# @nmae twice\n# @timeout soon\ny = x * 2`,
    `# @worker nowhere\nz = x`
  ]);
  await states(page, 'new', 'new', 'new');
  const cell = page.locator('.jp-Notebook .jp-Cell').nth(1);
  const pill = cell.locator('.strata-Pill');
  await expect(cell.locator('.strata-Finding')).toHaveCount(2);
  await expect(pill).toHaveText(/2$/);
  await expect(pill).toHaveAttribute('title', /did you mean @name\?/);
  await expect(pill).toHaveAccessibleName(/@nmae/);
  await shot(page, 'findings');
  await pill.click();
  await expect(page.getByRole('region', { name: 'Why' })).toContainText('unknown directive @nmae');
  const list = page.getByRole('region', { name: 'Findings in this notebook (3)' });
  await expect(list.getByRole('listitem')).toHaveText([/line 1 · .*@nmae/, /line 2 · .*soon/, /nowhere/]);
  await shot(page, 'findings-panel');
  await list.getByRole('button').last().click();
  await expect(page.locator('.jp-Notebook .jp-Cell').nth(2)).toHaveClass(/jp-mod-active/);
  await page.theme.setDarkTheme();
  await shot(page, 'findings-dark');
  await edit(page, 1, `# @name twice\ny = x * 2`);
  await expect(page.getByRole('region', { name: 'Findings in this notebook (1)' })).toBeVisible();
  await expect(cell.locator('.strata-Finding')).toHaveCount(0);
  await expect(pill).toHaveCount(0);
  await expect(badge(page, 1)).toBeVisible();
});

test('directives and their names are completed', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/complete.ipynb`, [`# @name load\nx = "${unique('names')}"`, '# @a']);
  await states(page, 'new', 'new');
  await page.evaluate(() => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.activeCellIndex = 1;
    content.mode = 'edit';
    content.activeCell.editor.focus();
    content.activeCell.editor.setCursorPosition({ line: 0, column: 4 });
  });
  const completer = page.locator('.jp-Completer');
  // JupyterLab does not wait long for a kernel on a busy machine.
  await expect(async () => {
    await command(page, 'completer:invoke-notebook');
    await expect(completer.getByText('after', { exact: true })).toBeVisible({ timeout: 3000 });
  }).toPass();
  await shot(page, 'completer');
  await page.keyboard.press('Enter');
  await page.keyboard.type(' ');
  await expect(async () => {
    await command(page, 'completer:invoke-notebook');
    await expect(completer.getByText('load', { exact: true })).toBeVisible({ timeout: 3000 });
  }).toPass();
  await page.keyboard.press('Enter');
  const editor = page.locator('.jp-Notebook .jp-Cell').nth(1).locator('.cm-content');
  await expect(editor).toHaveText('# @after load');
});
