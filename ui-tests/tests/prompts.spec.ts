import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from './fixture';
import { badge, command, open, shot, states, unique } from './notebook';

/** Speaks the API of chat completions; every answer takes 100 tokens in and 10 out. */
let model: Server;

test.beforeAll(async () => {
  model = createServer((request, answer) => {
    request.resume().on('end', () => {
      const chunk = (more: object) =>
        answer.write(`data: ${JSON.stringify({ id: '1', object: 'chat.completion.chunk', created: 1, model: 'm', ...more })}\n\n`);
      answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
      chunk({ choices: [{ index: 0, delta: { content: 'Paris' }, finish_reason: 'stop' }] });
      chunk({ choices: [], usage: { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 } });
      answer.end('data: [DONE]\n\n');
    });
  }).listen(0, '127.0.0.1');
  await once(model, 'listening');
});

test.afterAll(() => void model.close());

test('what answers of models took is told by cell and in sum', async ({ page, tmpPath }) => {
  const { port } = model.address() as AddressInfo;
  const settings = `[ai]\nmodel = "m"\nbase_url = "http://127.0.0.1:${port}/v1"\nprice_in = 10000\n`;
  await page.contents.uploadContent(settings, 'text', `${tmpPath}/strata.toml`);
  const tag = unique('prompt');
  await open(page, `${tmpPath}/prompt.ipynb`, [
    `%%prompt capital\nThe capital of France? ${tag}`,
    `%%prompt river\nIts river? {{ capital }} ${tag}`,
    `print(capital, river)`
  ]);
  await states(page, 'new', 'new', 'new');
  await command(page, 'notebook:run-all-cells');
  await states(page, 'frozen', 'frozen', 'fresh');
  await expect(badge(page, 0)).toHaveText(/^frozen since .* · 110 tokens · 1\.0$/);
  await expect(page.locator('.strata-Status')).toHaveText(/· 220 tokens · 2\.0$/);
  await shot(page, 'prompts');
});
