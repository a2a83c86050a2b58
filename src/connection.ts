/** The only module that knows comms: one comm per notebook and kernel, as long as the kernel is ours. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { PromiseDelegate, type JSONObject } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';
import type { FromFrontend, FromKernel } from './protocol';
import { PROTOCOL, TARGET, type IChannel } from './tokens';

/** `implementation` in the kernel's info: the name of its kernelspec is the user's business. */
const IMPLEMENTATION = 'strata';

/** How long a subshell may take to start, in milliseconds. */
const PATIENCE = 5000;

/** Speaks to whatever kernel a session has, and is closed while that is none of ours. */
export class Connection implements IChannel {
  constructor(
    private readonly _session: ISessionContext,
    private readonly _path: () => string,
    /** Whether what this page writes into the document is there for the other pages, too. */
    private readonly _shared: () => boolean = () => false
  ) {
    _session.kernelChanged.connect(this._onKernelChanged, this);
    _session.statusChanged.connect(this._onStatusChanged, this);
    _session.connectionStatusChanged.connect(this._onConnectionChanged, this);
    void this._connect();
  }

  get isOpen(): boolean {
    return this._isOpen;
  }

  get openChanged(): ISignal<this, boolean> {
    return this._openChanged;
  }

  get received(): ISignal<this, FromKernel> {
    return this._received;
  }

  get disposed(): ISignal<this, void> {
    return this._disposed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  send(message: FromFrontend): void {
    if (this._isOpen) {
      this._post(message);
    }
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._disconnect();
    this._disposed.emit();
    Signal.clearData(this);
  }

  private _post(message: FromFrontend): void {
    // A kernel that dies takes its comms with it before it tells anyone.
    if (this._comm && !this._comm.isDisposed) {
      this._comm.send(message as unknown as JSONObject);
    }
  }

  /** Connect anew, one attempt after the other: comms of one name share a subshell, which the first to go ends. */
  private async _connect(): Promise<void> {
    this._disconnect();
    if (this._connecting) {
      return;
    }
    this._connecting = true;
    let attempt: number;
    do {
      attempt = this._attempt;
      // What the last comm let go of goes first.
      await pause(0);
      await this._try(attempt);
    } while (attempt !== this._attempt && !this._isDisposed);
    this._connecting = false;
  }

  private async _try(attempt: number): Promise<void> {
    const kernel = this._session.session?.kernel;
    // A second connection to a kernel, as that of a console, does not get its comms.
    if (
      attempt !== this._attempt ||
      this._lost ||
      !kernel ||
      kernel.isDisposed ||
      !kernel.handleComms
    ) {
      return;
    }
    try {
      // One that is given up before it has started never tells.
      const info = await Promise.race([kernel.info, this._superseded.promise]);
      if (attempt !== this._attempt || info?.implementation !== IMPLEMENTATION) {
        return;
      }
      const comm = kernel.createComm(TARGET);
      await subshell(comm, kernel);
      if (attempt !== this._attempt) {
        close(comm);
      } else if (!comm.isDisposed) {
        this._comm = comm;
        comm.onMsg = ({ content, parent_header: parent }) => {
          const asker = (parent as Partial<KernelMessage.IHeader>).session;
          this._onMessage(content.data as unknown as FromKernel, asker === kernel.clientId);
        };
        comm.onClose = () => this._setOpen(false);
        comm.open({ type: 'hello', protocol: PROTOCOL, path: this._path(), batches: true });
      }
    } catch {
      // The kernel went away while it was asked; the next one is announced.
    }
  }

  private _disconnect(): void {
    this._attempt++;
    this._superseded.resolve(undefined);
    this._superseded = new PromiseDelegate();
    const comm = this._comm;
    this._comm = null;
    this._setOpen(false);
    if (comm) {
      close(comm);
    }
  }

  private _onMessage(message: FromKernel, ours: boolean): void {
    // Outputs that two pages write into one document are in it twice: whose run it was does.
    if (message?.type === 'cell-outputs' && !ours && this._shared()) {
      return;
    }
    if (message?.type === 'welcome') {
      this._received.emit(message);
      this._setOpen(true);
    } else if (this._isOpen && typeof message?.type === 'string') {
      this._received.emit(message);
    }
  }

  private _onKernelChanged(): void {
    this._lost = false;
    void this._connect();
  }

  private _onStatusChanged(_: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this._disconnect();
      this._lost = status !== 'dead';
    } else if (
      this._lost &&
      !this._session.isRestarting &&
      (status === 'idle' || status === 'busy')
    ) {
      this._lost = false;
      void this._connect();
    }
  }

  private _onConnectionChanged(_: ISessionContext, status: Kernel.ConnectionStatus): void {
    // What was said while nobody listened is not said again, so a new comm asks for everything.
    if (status === 'connected' && this._comm && !this._connecting && !this._isOpen) {
      void this._connect();
    } else if (status !== 'connected' && this._comm) {
      this._setOpen(false);
    }
  }

  private _setOpen(open: boolean): void {
    if (open !== this._isOpen) {
      this._isOpen = open;
      this._openChanged.emit(open);
    }
  }

  private _attempt = 0;
  private _comm: Kernel.IComm | null = null;
  private _connecting = false;
  private _isDisposed = false;
  private _isOpen = false;
  private _lost = false;
  /** Is resolved when a later attempt takes the place of the present one. */
  private _superseded = new PromiseDelegate<undefined>();
  private readonly _disposed = new Signal<this, void>(this);
  private readonly _openChanged = new Signal<this, boolean>(this);
  private readonly _received = new Signal<this, FromKernel>(this);
}

/** Let go of a comm. */
function close(comm: Kernel.IComm): void {
  comm.onMsg = () => undefined;
  comm.onClose = () => undefined;
  try {
    if (!comm.isDisposed) {
      comm.close();
    }
  } catch {
    // Its kernel is gone already.
  }
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms));

/** Wait for the comm's subshell, where there is one: without it, a hello would wait for the running cell. */
async function subshell(comm: Kernel.IComm, kernel: Kernel.IKernelConnection): Promise<void> {
  const started = (comm as { subshellStarted?: Promise<void> }).subshellStarted;
  if (started && kernel.supportsSubshells) {
    // A kernel that ended in the meantime never answers.
    await Promise.race([started.catch(() => undefined), pause(PATIENCE)]);
  }
}
