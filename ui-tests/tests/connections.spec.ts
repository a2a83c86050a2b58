import { serious } from './axe';
import { expect, test } from './fixture';
import { badge, command, edit, open, shot, states, unique } from './notebook';

// Galata's own list of kernels does not know what an interrupt answers.
test.use({ kernels: null, sessions: null });

test('a database is declared, tested, browsed and queried without a restart', async ({ page, tmpPath }) => {
  const tag = unique('connections');
  const source = `%%sql shop\n# @name orders\nSELECT sum(total) AS "sum ${tag}" FROM orders`;
  await page.contents.uploadContent('# mine\n', 'text', `${tmpPath}/strata.toml`);
  const file = async () =>
    (await (await page.request.get(`/api/contents/${tmpPath}/strata.toml`)).json()).content as string;
  await open(page, `${tmpPath}/connections.ipynb`, [
    `import sqlite3\ncon = sqlite3.connect("shop.db")\ncon.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")\ncon.execute("CREATE TABLE clients (name TEXT)")\ncon.execute("INSERT INTO orders (total) VALUES (1.5), (2)")\ncon.commit()\n"${tag}"`,
    source,
    `import time\ntime.sleep(60)`
  ]);
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:run-cell');
  await expect(badge(page, 0)).toHaveText(/^(ran|always)/);

  await command(page, 'strata:show-places');
  const list = page.getByRole('region', { name: 'Places' }).getByRole('region', { name: 'Connections' });
  await expect(list).toContainText('No database is declared; %%sql reads');
  const dialog = page.getByRole('dialog');
  await list.getByRole('button', { name: 'Add a connection' }).click();
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('Name').fill('shop');

  // A secret is refused before it leaves the page.
  await dialog.getByLabel('Kind of database').selectOption('postgresql');
  await dialog.getByLabel('Password').fill('hush');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Write ${SHOP_PASSWORD} as password');
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await shot(page, 'connection-form');
  await dialog.getByLabel('Kind of database').selectOption('sqlite');
  await dialog.getByLabel('File').fill('shop.d');
  await dialog.getByRole('button', { name: 'Save' }).click();
  const item = list.locator('li[data-name=shop]');
  await expect(item).toContainText('there is no file');

  await item.getByRole('button', { name: 'Edit shop' }).click();
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('File').fill('shop.db');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(item).toContainText(/SQLite 3\.\S+ · 2 tables/);
  expect(await file()).toBe('# mine\n\n[connections.shop]\ndriver = "sqlite"\npath = "shop.db"\n');

  // The kernel that runs knows it at once.
  await page.locator('.jp-Notebook .jp-Cell').nth(1).click();
  await command(page, 'notebook:run-cell');
  await expect(page.locator('.jp-OutputArea-output').last()).toContainText('3.5');

  // Its queries look like queries, and are completed from its tables.
  const query = page.locator('.jp-Notebook .jp-Cell').nth(1);
  await expect(query.locator('.cm-line', { hasText: 'SELECT' }).locator('span').first()).toHaveText('SELECT');
  await query.locator('.cm-content').click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type(' WHERE to');
  await page.keyboard.press('Tab');
  await expect(page.locator('.jp-Completer-item').first()).toContainText('total');
  await shot(page, 'query');
  await page.keyboard.press('Enter');
  await expect(query.locator('.cm-content')).toContainText('WHERE total');
  await expect(badge(page, 1)).toHaveText(/^edited/);
  await edit(page, 1, source);
  await expect(badge(page, 1)).toHaveText(/^(ran|will be served)/);
  await page.keyboard.press('Escape');

  // It is looked into while a cell runs.
  await page.locator('.jp-Notebook .jp-Cell').nth(2).click();
  void command(page, 'notebook:run-cell');
  await expect(badge(page, 2)).toHaveText(/^running/);
  await item.getByRole('button', { name: 'Show tables of shop' }).click();
  const tree = item.getByRole('tree', { name: 'Tables of shop' });
  await expect(tree.getByRole('treeitem')).toHaveText(['clients', 'orders']);
  await tree.getByRole('treeitem', { name: 'clients' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  await expect(tree.getByRole('treeitem')).toHaveText(['clients', 'orders', 'idINTEGER', 'totalREAL']);
  await page.keyboard.press('ArrowRight');
  await expect(tree.getByRole('treeitem', { name: 'id' })).toBeFocused();
  expect(await serious(page)).toEqual([]);
  await shot(page, 'connections');
  await page.theme.setDarkTheme();
  await shot(page, 'connections-dark');
  await page.theme.setLightTheme();
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await expect(tree.getByRole('treeitem')).toHaveText(['clients', 'orders']);
  await item.getByRole('searchbox').fill('cli');
  await expect(tree.getByRole('treeitem')).toHaveText(['clients']);

  await command(page, 'notebook:interrupt-kernel');
  await expect(badge(page, 2)).toHaveText(/^interrupted/);
  await item.getByRole('button', { name: 'Remove shop' }).click();
  await expect(list).toContainText('No database is declared');
  await expect(badge(page, 1)).toHaveText(/^(new|not run|stale|edited)/);
});
