/** Two people on one notebook: a server of its own, as jupyter-collaboration shares every document where it is installed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test, type Browser, type Page } from '@playwright/test';
import { content, idle, unique, vacant } from './notebook';

/** Where `.ci/run` puts jupyter-collaboration with what it wants besides JupyterLab. */
const APART = resolve(__dirname, '../.collaboration');
let server: ChildProcess;
let url: string;

test.skip(!process.env.CI && !existsSync(APART), 'jupyter-collaboration is not installed here');

test.beforeAll(async () => {
  const port = await vacant();
  url = `http://127.0.0.1:${port}`;
  server = spawn('jupyter', ['lab', '--config', resolve(__dirname, '../jupyter_server_test_config.py')], {
    // What it keeps of the documents it keeps where it stands.
    cwd: await mkdtemp(join(tmpdir(), 'strata-rtc-')),
    stdio: 'ignore',
    env: {
      ...process.env,
      STRATA_UI_PORT: String(port),
      PYTHONPATH: APART,
      JUPYTER_PATH: `${APART}/share/jupyter`,
      JUPYTER_CONFIG_PATH: `${APART}/etc/jupyter`
    }
  });
  const answers = () => fetch(`${url}/api/status`).then(answer => answer.status, () => 0);
  await expect.poll(answers, { timeout: 60_000 }).toBe(200);
});

test.afterAll(() => void server?.kill());

/** Ids of comms that were opened for other extensions: JupyterLab complains when a kernel refuses one that another page opened. */
const foreign = new Set<string>();

function listen(page: Page): void {
  page.on('websocket', socket =>
    socket.on('framesent', ({ payload }) => {
      const [, id] = /"comm_id":\s*"([^"]+)"/.exec(String(payload)) ?? [];
      if (id && /"target_name":\s*"(?!strata")/.test(String(payload))) {
        foreign.add(id);
      }
    })
  );
}

/** Someone with the notebook open: what the browser complains of, and which cells the kernel is seen to run. */
async function someone(browser: Browser, path: string, errors: string[]): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  listen(page);
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => {
    if (message.type() === 'error' && !/^Failed to load resource/.test(message.text())) {
      errors.push(message.text());
    }
  });
  await page.goto(`${url}/lab/tree/${path}?reset`);
  await page.waitForFunction(
    wanted => (window as any).jupyterapp?.shell.currentWidget?.context?.path.endsWith(wanted),
    path
  );
  await idle(page);
  await page.evaluate(() => {
    const { context, sessionContext } = (window as any).jupyterapp.shell.currentWidget;
    (window as any).shared = context.model.collaborative;
    (window as any).runs = [];
    sessionContext.iopubMessage.connect((_: unknown, { header, content }: any) => {
      if (header.msg_type === 'execute_input') {
        (window as any).runs.push(content.code.split('\n')[0]);
      }
    });
  });
  expect(await page.evaluate(() => (window as any).shared)).toBe(true);
  return page;
}

const states = (page: Page) =>
  page.locator('.strata-Badge').evaluateAll(all => all.map(node => (node as HTMLElement).dataset.state));
const outputs = (page: Page) =>
  page.evaluate(() =>
    (window as any).jupyterapp.shell.currentWidget.content.widgets.map(({ model }: any) =>
      model.outputs.toJSON().map((output: any) => output.text)
    )
  );
const command = (page: Page, id: string) =>
  page.evaluate(name => (window as any).jupyterapp.commands.execute(name), id);
const runs = (page: Page) => page.evaluate(() => (window as any).runs.splice(0));

/** Wait until both see this. */
async function agreed(pages: Page[], what: (page: Page) => Promise<unknown>, expected: unknown) {
  for (const page of pages) {
    await expect.poll(() => what(page), { timeout: 30_000 }).toEqual(expected);
  }
}

test('two people work on one notebook', async ({ browser, request }) => {
  const path = `${unique('shared')}.ipynb`;
  const cells = [`a = [1, "${path}"]`, 'b = a * 2\nprint("made", b[0])', 'print("used", b[0])'];
  await request.put(`${url}/api/contents/${path}`, {
    data: { type: 'notebook', content: content(cells) }
  });
  const errors: string[] = [];
  const ada = await someone(browser, path, errors);
  const ben = await someone(browser, path, errors);
  const both = [ada, ben];
  await agreed(both, states, ['new', 'new', 'new']);

  // One runs the last cell: the kernel runs what it needs, once, and both see what all of them print, once.
  await ada.evaluate(() => {
    (window as any).jupyterapp.shell.currentWidget.content.activeCellIndex = 2;
  });
  await command(ada, 'notebook:run-cell');
  await agreed(both, states, ['fresh', 'fresh', 'fresh']);
  await agreed(both, outputs, [[], ['made 1\n'], ['used 1\n']]);
  await agreed(both, runs, ['print("used", b[0])']);

  // The other one edits, and runs what that made stale.
  await ben.evaluate(text => {
    const { content } = (window as any).jupyterapp.shell.currentWidget;
    content.widgets[0].model.sharedModel.setSource(text);
  }, `a = [2, "${path}"]`);
  await agreed(both, states, ['edited', 'stale', 'stale']);
  await command(ben, 'strata:run-stale');
  await agreed(both, states, ['fresh', 'fresh', 'fresh']);
  await agreed(both, outputs, [[], ['made 2\n'], ['used 2\n']]);
  await agreed(both, runs, [`a = [2, "${path}"]`, 'b = a * 2', 'print("used", b[0])']);
  const ours = errors.filter(text => !foreign.has(text.replace('Comm not found for comm id ', '')));
  expect(ours, 'errors in the consoles').toEqual([]);
});
