import { spawn, type ChildProcess } from 'node:child_process';
import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique, vacant } from './notebook';

let worker: ChildProcess;
let url: string;

test.beforeAll(async () => {
  const port = await vacant();
  url = `http://127.0.0.1:${port}`;
  worker = spawn('strata', ['worker', '--host', '127.0.0.1', '--port', String(port)], {
    stdio: 'ignore'
  });
  const health = () => fetch(`${url}/health`).then(answer => answer.status, () => 0);
  await expect.poll(health, { timeout: 30_000 }).toBe(200);
});

test.afterAll(() => void worker.kill());

test('a worker is chosen for a cell, and its badge tells where it runs', async ({ page, tmpPath }) => {
  const settings = `[[workers]]\nname = "gpu"\nbackend = "http"\nconfig = { url = "${url}" }\n`;
  await page.contents.uploadContent(settings, 'text', `${tmpPath}/strata.toml`);
  const tag = unique('worker');
  await open(page, `${tmpPath}/worker.ipynb`, [
    `# @name train\nimport time\ntime.sleep(3)\nanswer = [42, "${tag}"]`
  ]);
  await states(page, 'new');
  await page.locator('.jp-Notebook .jp-Cell').first().click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Choose Worker of Cell…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox').selectOption('gpu');
  await dialog.getByRole('button', { name: 'Choose' }).click();
  const first = page.locator('.jp-Notebook .jp-Cell').first();
  await expect(first.locator('.cm-line').first()).toHaveText('# @worker gpu');
  void command(page, 'notebook:run-cell');
  await expect(badge(page, 0)).toHaveText(/^running on gpu · /, { timeout: 30_000 });
  await shot(page, 'worker-running');
  await expect(badge(page, 0)).toHaveText(/^ran on gpu · 3/, { timeout: 30_000 });
});
