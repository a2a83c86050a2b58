import { expect, test } from './fixture';
import { unique } from './notebook';

test.use({ autoGoto: false });

test('Notebook 7 shows badges too', async ({ page, request, baseURL, tmpPath }) => {
  const path = `${unique('seven')}.ipynb`;
  const content = {
    metadata: { kernelspec: { name: 'strata', display_name: 'Strata', language: 'python' } },
    nbformat: 4,
    nbformat_minor: 5,
    cells: [
      { cell_type: 'code', id: 'a', metadata: {}, source: `1 + 1, "${path}"`, outputs: [], execution_count: null }
    ]
  };
  const url = `${baseURL}/api/contents/${path}`;
  await request.put(url, { data: { type: 'notebook', content } });
  const plain = await page.context().newPage();
  const served = await plain.goto(`${baseURL}/notebooks/${path}`);
  test.skip(served?.status() === 404, `Notebook is not installed here (${tmpPath})`);
  await expect(plain.locator('.strata-Badge')).toHaveText('not run', { timeout: 30_000 });
  await request.delete(url);
});
