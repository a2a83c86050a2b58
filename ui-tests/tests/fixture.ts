/** galata's test, in which the browser's console must stay without errors. */
import { expect, test as base } from '@jupyterlab/galata';

export { expect };

export const test = base.extend<{ expected: RegExp; quiet: void }>({
  /** What is no fault of ours: a file is not there, or JupyterLab's debugger had asked a kernel that went away. */
  expected: [/^(Failed to load resource|Could not restore the debugger state)/, { option: true }],
  quiet: [
    async ({ page, expected }, use) => {
      const errors: string[] = [];
      page.on('console', message => {
        if (message.type() === 'error' && !expected.test(message.text())) {
          errors.push(message.text());
        }
      });
      page.on('pageerror', error => errors.push(String(error)));
      await use();
      expect(errors, 'errors in the console').toEqual([]);
    },
    { auto: true }
  ]
});
