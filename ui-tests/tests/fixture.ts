/** galata's test, in which the browser's console must stay without errors. */
import { expect, test as base } from '@jupyterlab/galata';

export { expect };

export const test = base.extend<{ expected: RegExp; quiet: void }>({
  /**
   * What is no fault of ours: a file is not there, or JupyterLab's debugger or the manager of ipywidgets
   * had asked a kernel that went away.
   */
  expected: [
    /^(Failed to load resource|Could not restore the debugger state|Per comm-target subshell creation failed: .*Canceled future)/,
    { option: true }
  ],
  quiet: [
    async ({ page, expected }, use) => {
      const errors: string[] = [];
      const heard = (text: string) => expected.test(text) || errors.push(text);
      page.on('console', message => message.type() === 'error' && heard(message.text()));
      page.on('pageerror', error => heard(String(error)));
      await use();
      expect(errors, 'errors in the console').toEqual([]);
    },
    { auto: true }
  ]
});
