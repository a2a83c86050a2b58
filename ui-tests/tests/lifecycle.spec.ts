import { expect, test } from './fixture';
import { badge, command, edit, open, reopen, shot, shut, states, unique } from './notebook';

const cells = (tag: string) => [
  `a = [1, "${tag}"][0]`,
  `b = [a + 1, "${tag}"][0]\nb`,
  `c = [10, "${tag}"][0]\nc`
];

test.describe('with the real list of kernels', () => {
  // Galata's own does not know what a restart answers.
  test.use({ kernels: null, sessions: null });

test('a restart is survived', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/restart.ipynb`, cells(unique('restart')));
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'fresh', 'fresh', 'fresh');
  await command(page, 'strata:show-graph');
  // As a user does it, and as an extension may.
  void command(page, 'notebook:restart-kernel');
  await page.getByRole('button', { name: 'Confirm Kernel Restart' }).click();
  await states(page, 'servable', 'servable', 'servable');
  await page.evaluate(() =>
    (window as any).jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()
  );
  await states(page);
  await states(page, 'servable', 'servable', 'servable');
  await expect(page.locator('#jp-main-statusbar')).toContainText('3 of 3 will be served');
  await command(page, 'strata:run-stale');
  await states(page, 'served', 'served', 'served');
  await expect(page.locator('#jp-main-statusbar')).toContainText('3 of 3 served');
  await command(page, 'strata:show-why');
  await shut(page);
});
});

test('a notebook that switches kernels loses and regains its badges', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/switch.ipynb`, cells(unique('switch')));
  await states(page, 'new', 'new', 'new');
  const change = (name: string) =>
    page.evaluate(
      async kernel =>
        void (await (window as any).jupyterapp.shell.currentWidget.sessionContext.changeKernel({
          name: kernel
        })),
      name
    );
  await change('python3');
  await expect(page.locator('.strata-Badge')).toHaveCount(0);
  await change('strata');
  await states(page, 'new', 'new', 'new');
});

test('two views of a notebook share what is known', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/views.ipynb`, cells(unique('views')));
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:create-new-view').catch(() => undefined);
  await page.evaluate(() => {
    const app = (window as any).jupyterapp;
    return app.commands.execute('docmanager:clone');
  });
  await states(page, ...Array(6).fill('new'));
  await command(page, 'notebook:run-all-cells');
  await states(page, ...Array(6).fill('fresh'));
});

test('reactive mode runs what an edit makes stale', async ({ page, tmpPath }) => {
  const tag = unique('auto');
  await open(page, `${tmpPath}/auto.ipynb`, cells(tag));
  await states(page, 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh', 'fresh');
  await command(page, 'strata:set-reactive', { mode: 'auto' });
  await edit(page, 0, `a = [41, "${tag}"][0]`);
  await expect(page.locator('.jp-OutputArea-output').first()).toHaveText('42');
  await states(page, 'fresh', 'fresh', 'fresh');
  await expect(page.locator('.jp-InputPrompt').nth(2)).toHaveText('[3]:');
  await command(page, 'strata:set-reactive', { mode: 'mark' });
  await edit(page, 0, `a = [51, "${tag}"][0]`);
  await states(page, 'edited', 'stale', 'fresh');
  await shot(page, 'mark');
});

test('the dark theme is followed', async ({ page, tmpPath }) => {
  const tag = unique('dark');
  await page.theme.setDarkTheme();
  await open(page, `${tmpPath}/dark.ipynb`, cells(tag));
  await states(page, 'new', 'new', 'new');
  await command(page, 'strata:run-stale');
  await states(page, 'fresh', 'fresh', 'fresh');
  await shut(page);
  await reopen(page, `${tmpPath}/dark.ipynb`);
  await edit(page, 2, `c = [20, "${tag}"][0]\nc`);
  await states(page, 'servable', 'servable', 'new');
  await command(page, 'strata:show-graph');
  await expect(page.locator('.strata-Graph-node')).toHaveCount(3);
  const [text, ground] = await badge(page, 0).evaluate(node => {
    const { color, backgroundColor } = getComputedStyle(node);
    return [color, backgroundColor];
  });
  expect(text).not.toBe(ground);
  await shot(page, 'dark');
});
