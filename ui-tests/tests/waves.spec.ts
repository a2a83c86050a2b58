import { spawn, type ChildProcess } from 'node:child_process';
import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique, vacant } from './notebook';

let worker: ChildProcess;
let url: string;

test.beforeAll(async () => {
  const port = await vacant();
  url = `http://127.0.0.1:${port}`;
  worker = spawn('strata', ['worker', '--host', '127.0.0.1', '--port', String(port), '--concurrency', '2'], {
    stdio: 'ignore'
  });
  const health = () => fetch(`${url}/health`).then(answer => answer.status, () => 0);
  await expect.poll(health, { timeout: 30_000 }).toBe(200);
});

test.afterAll(() => void worker.kill());

test('cells on workers that do not need each other run at the same time', async ({ page, tmpPath }) => {
  const settings = `[[workers]]\nname = "gpu"\nbackend = "http"\nconfig = { url = "${url}" }\n`;
  await page.contents.uploadContent(settings, 'text', `${tmpPath}/strata.toml`);
  const tag = unique('wave');
  const cell = (name: string) => `# @worker gpu\nimport time\ntime.sleep(5)\n${name} = "${tag}"`;
  await open(page, `${tmpPath}/waves.ipynb`, [cell('a'), cell('b')]);
  await states(page, 'new', 'new');
  void command(page, 'notebook:run-all-cells');
  await expect(badge(page, 1)).toHaveText(/^running on gpu · /, { timeout: 30_000 });
  await expect(badge(page, 0)).toHaveText(/^running on gpu · /, { timeout: 1_000 });
  await shot(page, 'waves');
  await expect(badge(page, 1)).toHaveText(/^ran on gpu · 5/, { timeout: 30_000 });
});
