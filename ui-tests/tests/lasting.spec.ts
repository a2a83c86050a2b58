import { galata } from '@jupyterlab/galata';
import { expect, test } from './fixture';
import { badge, command, edit, idle, open, shot, states, unique } from './notebook';

test.describe('with the real list of kernels', () => {
  // JupyterLab says so of words of a dead kernel that were still under way, whosever comm it was.
  test.use({ kernels: null, sessions: null, expected: /^(Failed to load resource|Comm not found)/ });

  test('a kernel that dies comes back with its badges', async ({ page, tmpPath }) => {
    const tag = unique('dies');
    await open(page, `${tmpPath}/dies.ipynb`, [
      `a = "${tag}"`,
      `import os\nb = [a, "${tag}"]`,
      `os._exit(1), "${tag}"`
    ]);
    await states(page, 'new', 'new', 'new');
    await page.evaluate(() => {
      (window as any).jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
    });
    await command(page, 'notebook:run-cell');
    await states(page, 'fresh', 'fresh', 'new');
    await page.evaluate(() => {
      (window as any).jupyterapp.shell.currentWidget.content.activeCellIndex = 2;
    });
    void command(page, 'notebook:run-cell');
    await page.getByRole('button', { name: 'Ok', exact: true }).click();
    await idle(page);
    await states(page, 'servable', 'servable', 'new');
    await command(page, 'strata:show-why');
  });

test('a cell that runs tells how long, and cells behind it that they wait', async ({ page, tmpPath }) => {
  const tag = unique('elapsed');
  await open(page, `${tmpPath}/elapsed.ipynb`, [
    `import time\nwhile "${tag}":\n    time.sleep(0.05)`,
    `after = "${tag}"`
  ]);
  await states(page, 'new', 'new');
  void command(page, 'notebook:run-all-cells');
  await expect(badge(page, 0)).toHaveText(/running · \d/);
  const before = await badge(page, 0).textContent();
  await expect(badge(page, 0)).not.toHaveText(before!);
  await shot(page, 'elapsed');
  await page.evaluate(() =>
    (window as any).jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()
  );
  await expect(badge(page, 0)).toHaveText('interrupted');
});
});

test.describe('reactive', () => {
  const reactive = { mode: 'auto', askAboveSeconds: 1 };
  test.use({
    mockSettings: { ...galata.DEFAULT_SETTINGS, 'strata-labextension:reactive': reactive }
  });

test('reactive mode asks before what takes long', async ({ page, tmpPath }) => {
  const tag = unique('asks');
  await open(page, `${tmpPath}/asks.ipynb`, [
    `a = [1, "${tag}"]`,
    `import time\ntime.sleep(1.5)\nb = [a, "${tag}"]`
  ]);
  await states(page, 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh');
  await edit(page, 0, `a = [2, "${tag}"]`);
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(/2 to run, about 1\.\d s by earlier runs/);
  await shot(page, 'ask-above');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await states(page, 'fresh', 'fresh');
});
});

test('messages of another version are taken as far as they are known', async ({ page, tmpPath }) => {
  // A kernel from before states came together, and one that says more than this frontend knows.
  await page.evaluate(() => {
    const { prototype } = WebSocket;
    const send = prototype.send;
    prototype.send = function (data: any) {
      return send.call(this, typeof data === 'string' ? data.replace('"batches":true', '"later":[1]') : data);
    };
  });
  await open(page, `${tmpPath}/skew.ipynb`, [`a = "${unique('skew')}"`, `b = [a, "${unique('below')}"]`]);
  await states(page, 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh');
  await edit(page, 0, 'a = 2');
  await expect(badge(page, 1)).toHaveAttribute('data-state', 'stale');
});
