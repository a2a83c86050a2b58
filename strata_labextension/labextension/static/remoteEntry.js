// A module-federation container that loads and registers no plugin: the frontend is optional, the kernel works alone.
(window._JUPYTERLAB = window._JUPYTERLAB || {})['strata-labextension'] = {
  init: () => {},
  get: () => Promise.resolve(() => ({ __esModule: true, default: [] }))
};
