import { readFileSync } from 'node:fs';
import { expect, test } from './fixture';
import { badge, command, edit, open, shot, states, unique } from './notebook';

const cells = (tag: string) => [
  `# @name load\na = [1, "${tag}"]`,
  `# @name clean\nb = [a, 2, "${tag}"]`,
  `# @name other\nc = ["${tag}", 3]`,
  `# @name report\nd = [b, c, "${tag}"]`
];

test('the graph is exported, searched, zoomed and walked through', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/walk.ipynb`, cells(unique('walk')));
  await states(page, ...Array(4).fill('new'));
  await command(page, 'strata:run-stale');
  await states(page, ...Array(4).fill('fresh'));
  await command(page, 'strata:show-graph');
  const node = (name: string) => page.getByRole('button', { name: new RegExp(`^${name}: `) });
  await expect(page.locator('.strata-Graph-node')).toHaveCount(4);

  for (const [format, file, text] of [
    ['svg', 'walk.svg', 'clean'],
    ['mermaid', 'walk.mmd', '-->|"a"|']
  ]) {
    const download = page.waitForEvent('download');
    await command(page, 'strata:export-graph', { format });
    expect((await download).suggestedFilename()).toBe(file);
    const written = readFileSync(await (await download).path(), 'utf-8');
    expect(written).toContain(text);
    const sound = await page.evaluate(
      source => !new DOMParser().parseFromString(source, 'image/svg+xml').querySelector('parsererror'),
      written
    );
    expect(sound).toBe(format === 'svg');
  }

  const layer = page.locator('.strata-Graph-drawing > g');
  const before = await layer.getAttribute('transform');
  await page.getByTitle('Zoom in (+)').click();
  await expect(layer).not.toHaveAttribute('transform', before!);
  const zoomed = await layer.getAttribute('transform');
  const drawing = (await page.locator('.strata-Graph-drawing').boundingBox())!;
  await page.mouse.move(drawing.x + 5, drawing.y + drawing.height - 5);
  await page.mouse.down();
  await page.mouse.move(drawing.x + 45, drawing.y + drawing.height - 45, { steps: 4 });
  await page.mouse.up();
  await expect(layer).not.toHaveAttribute('transform', zoomed!);
  await page.getByTitle('Show all (0)').click();
  await expect(layer).toHaveAttribute('transform', before!);

  await node('load').focus();
  await page.keyboard.press('ArrowDown');
  await expect(node('clean')).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await expect(node('report')).toBeFocused();
  await expect(page.locator('.jp-Notebook .jp-Cell').nth(3)).toHaveClass(/jp-mod-active/);
  await page.keyboard.press('Home');
  await expect(node('load')).toBeFocused();

  await edit(page, 1, 'b = [a, 3]');
  await expect(node('report')).toHaveAttribute('data-state', 'stale');
  await page.getByTitle('Stale cells only').click();
  await page.mouse.move(300, 5);
  await expect(node('load')).toHaveClass(/strata-mod-dim/);
  await expect(node('report')).not.toHaveClass(/strata-mod-dim/);
  await page.getByTitle('Stale cells only').click();
  await node('other').hover();
  await expect(node('load')).toHaveClass(/strata-mod-dim/);
  await expect(node('report')).not.toHaveClass(/strata-mod-dim/);

  await command(page, 'strata:open-graph');
  const main = page.locator('#jp-main-dock-panel .strata-Graph');
  await expect(main.locator('.strata-Graph-node')).toHaveCount(4);
  await shot(page, 'graph-main');
});

test('the context menu of the graph runs, forces, freezes and clears', async ({ page, tmpPath }) => {
  await open(page, `${tmpPath}/menu.ipynb`, cells(unique('menu')));
  await states(page, ...Array(4).fill('new'));
  await command(page, 'strata:show-graph');
  const node = (name: string) => page.getByRole('button', { name: new RegExp(`^${name}: `) });
  const choose = async (name: string, item: string) => {
    await node(name).click({ button: 'right' });
    await page.getByRole('menuitem', { name: item, exact: true }).click();
  };
  await node('clean').click({ button: 'right' });
  await expect(page.getByRole('menuitem', { name: 'Save Graph as SVG' })).toBeVisible();
  await shot(page, 'graph-menu');
  await page.keyboard.press('Escape');
  await choose('clean', 'Run Cell and What It Needs');
  await states(page, 'fresh', 'fresh', 'new', 'new');
  await choose('load', 'Run Cell and What Depends on It');
  await states(page, 'served', 'fresh', 'fresh', 'fresh');
  const count = () => page.locator('.jp-InputPrompt').nth(1).textContent();
  const shown = await count();
  await choose('clean', 'Run Cell Anew, Whatever Is Cached');
  await expect.poll(count).not.toBe(shown);
  await states(page, 'served', 'fresh', 'fresh', 'fresh');
  await choose('other', 'Clear What Is Kept of Cell');
  await expect(badge(page, 2)).toHaveAttribute('data-state', 'stale');
  await choose('other', 'Freeze Cell');
  await expect(page.locator('.jp-Notebook .jp-Cell').nth(2)).toContainText('# @cache frozen');
});

test('high contrast is followed', async ({ page, tmpPath }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await page.theme.setTheme('JupyterLab Dark High Contrast');
  await open(page, `${tmpPath}/contrast.ipynb`, cells(unique('contrast')));
  await states(page, ...Array(4).fill('new'));
  await command(page, 'strata:run-stale');
  await edit(page, 1, 'b = [a, 3]');
  await states(page, 'fresh', 'edited', 'fresh', 'stale');
  await command(page, 'strata:show-graph');
  await expect(page.locator('.strata-Graph-node')).toHaveCount(4);
  await shot(page, 'forced-colors');
  await page.emulateMedia({ forcedColors: 'none' });
  await shot(page, 'high-contrast');
  const border = await badge(page, 0).evaluate(node => getComputedStyle(node).borderTopColor);
  const ground = await badge(page, 0).evaluate(node => getComputedStyle(node).backgroundColor);
  expect(border).not.toBe(ground);
});
