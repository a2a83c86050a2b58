import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique } from './notebook';

test('the plan of a query is shown while another cell runs', async ({ page, tmpPath }) => {
  const tag = unique('explain');
  await open(page, `${tmpPath}/explain.ipynb`, [
    `least, tag = 3, "${tag}"`,
    `%%sql\n# @name found\nSELECT i FROM range(10) r(i) WHERE i >= :least AND '${tag}' <> '' ORDER BY i DESC`,
    'import time\ntime.sleep(8)'
  ]);
  await states(page, 'new', 'new', 'new');
  const cells = page.locator('.jp-Notebook .jp-Cell');
  const item = page.getByRole('menuitem', { name: 'Explain Query of Cell…' });
  await cells.nth(0).click();
  await command(page, 'notebook:run-cell');
  await states(page, 'fresh', 'new', 'new');
  await cells.nth(0).click({ button: 'right' });
  await expect(page.getByRole('menuitem', { name: 'Choose Worker of Cell…' })).toBeVisible();
  await expect(item).toHaveCount(0);
  await page.keyboard.press('Escape');
  await cells.nth(2).click();
  const running = command(page, 'notebook:run-cell');
  await expect(badge(page, 2)).toHaveText(/^running/, { timeout: 30_000 });
  await cells.nth(1).click({ button: 'right' });
  await item.click();
  const plan = page.getByRole('dialog').getByRole('region', { name: 'Plan' });
  await expect(plan).toContainText('RANGE', { ignoreCase: true });
  await expect(page.getByRole('dialog')).toContainText('How found would be run');
  await expect(badge(page, 2)).toHaveText(/^running/);
  await shot(page, 'explain');
  await page.getByRole('button', { name: 'Close' }).click();
  await running;
});
