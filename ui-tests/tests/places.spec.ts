import { spawn, type ChildProcess } from 'node:child_process';
import { expect, test } from './fixture';
import { command, open, shot, states, unique, vacant } from './notebook';

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

// Galata's own list of kernels does not know what an interrupt answers.
test.use({ kernels: null, sessions: null });

test('workers and mounts are seen, added, edited and removed', async ({ page, tmpPath }) => {
  const settings = `# mine\nworker = "local"\n\n[[mounts]]\nname = "raw"\nuri = "file:///tmp"\n`;
  await page.contents.uploadContent(settings, 'text', `${tmpPath}/strata.toml`);
  const file = async () =>
    (await (await page.request.get(`/api/contents/${tmpPath}/strata.toml`)).json()).content as string;
  await open(page, `${tmpPath}/places.ipynb`, [
    `# @worker gpu\nimport time\ntime.sleep(20)\nanswer = "${unique('places')}"`
  ]);
  await states(page, 'new');
  await command(page, 'strata:show-places');
  const panel = page.getByRole('region', { name: 'Places' });
  const workers = panel.getByRole('region', { name: 'Workers' });
  const mounts = panel.getByRole('region', { name: 'Mounts' });
  await expect(workers).toContainText('All cells run on this machine.');
  await expect(mounts.locator('li')).toContainText('file:///tmp');
  await expect(mounts.locator('li')).toContainText('read only · on this machine');

  const dialog = page.getByRole('dialog');
  await workers.getByRole('button', { name: 'Add a worker' }).click();
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('Name').fill('g p u');
  await dialog.getByLabel('Address').fill('http://127.0.0.1:9');
  await shot(page, 'places-form');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('a name is made of letters');
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('Name').fill('gpu');
  await dialog.getByRole('button', { name: 'Save' }).click();
  const item = workers.locator('li[data-name=gpu]');
  await expect(item).toContainText('cannot be reached');

  await item.getByRole('button', { name: 'Edit gpu' }).click();
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await expect(dialog.getByLabel('Name')).toHaveValue('gpu');
  await dialog.getByLabel('Address').fill(url);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(item).toContainText(/ready · 0 of \d+ busy · .* ms away · Python 3/);
  expect(await file()).toContain(`url = "${url}"`);
  expect(await file()).toContain('# mine');

  await mounts.getByRole('button', { name: 'Add a mount' }).click();
  await expect(dialog.getByLabel('Name')).toBeFocused();
  await dialog.getByLabel('Name').fill('more');
  await dialog.getByLabel('Address').fill('s3://bucket/more');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(mounts.locator('li[data-name=more]')).toContainText('read only · nothing kept yet');
  await mounts.getByRole('button', { name: 'Remove raw' }).click();
  await expect(mounts.locator('li')).toHaveCount(1);

  // The kernel that runs knows them at once.
  void command(page, 'notebook:run-cell');
  await expect(item).toContainText('running', { timeout: 30_000 });
  await item.getByRole('button', { name: 'Ask gpu how it is' }).click();
  await expect(item).toContainText(/1 of \d+ busy/);
  await shot(page, 'places');
  await page.theme.setDarkTheme();
  await shot(page, 'places-dark');
  await page.theme.setLightTheme();
  await item.getByRole('button', { name: /^Interrupt / }).click();
  await states(page, 'interrupted');
});
