/** What axe finds wrong for people who cannot see, or use no mouse. */
import type { IJupyterLabPageFixture } from '@jupyterlab/galata';

const OURS = ['.strata-Badge', '.strata-Why', '.strata-Graph', '.strata-Status', '.strata-Plan', '.strata-Summary', '.strata-Places', '.strata-PlaceForm'];

/** Return what axe finds in those of our parts that are there. */
export async function serious(page: IJupyterLabPageFixture): Promise<string[]> {
  await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });
  return page.evaluate(async ours => {
    const there = ours.filter(selector => document.querySelector(selector));
    const { violations } = await (window as any).axe.run({ include: there.map(item => [item]) });
    return violations
      .filter((found: any) => ['serious', 'critical'].includes(found.impact))
      .map((found: any) => `${found.id}: ${found.nodes.map((node: any) => node.html).join()}`);
  }, OURS);
}
