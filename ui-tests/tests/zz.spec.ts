import { expect, test } from './fixture';
import { command, open, states, unique, idle } from './notebook';
test.use({ kernels: null, sessions: null });
for (const way of ['command','kernel']) {
  test(`restart ${way}`, async ({ page, tmpPath }) => {
    page.on('console', m => console.log('CONSOLE', m.type(), m.text().slice(0, 300)));
    await open(page, `${tmpPath}/places.ipynb`, [`answer = "${unique('places')}"`]);
    await states(page, 'new');
    await page.evaluate(() => {
      const ctx = (window as any).jupyterapp.shell.currentWidget.sessionContext;
      const t0 = Date.now();
      const log = (...x: any[]) => console.log('EV', Date.now() - t0, ...x.map(y => typeof y === 'object' ? JSON.stringify(y).slice(0, 200) : y));
      ctx.statusChanged.connect((_: any, s: any) => log('status', s));
      ctx.connectionStatusChanged.connect((_: any, s: any) => log('conn', s));
      ctx.kernelChanged.connect((_: any, a: any) => log('kernelChanged', a.newValue?.id?.slice(0, 4)));
      ctx.session.kernel.anyMessage.connect((_: any, { msg, direction }: any) => {
        if (/comm|subshell|info/.test(msg.header.msg_type)) log(direction, msg.header.msg_type, msg.content?.comm_id?.slice(0, 6), msg.content?.data?.type, msg.content?.status, msg.header.subshell_id?.slice(0,4), msg.content?.subshell_id?.slice(0,4), msg.content?.data?.cells?.length, msg.content?.data?.revision);
      });
    });
    if (way === 'kernel') {
    await page.evaluate(() =>
    (window as any).jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()
  );
    } else {
    void command(page, 'notebook:restart-kernel');
    await page.getByRole('dialog').getByRole('button', { name: 'Confirm Kernel Restart' }).click();
    }
    await page.waitForTimeout(12000);
    await idle(page);
    await states(page, 'new');
  });
}
