/** A session and a kernel that do what tests tell them to. */
import type { ISessionContext } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import type { FromFrontend, FromKernel } from '../protocol';
import type { IChannel } from '../tokens';

/** One end of a comm: keeps what is sent, and says what the test says. */
export class FakeComm {
  isDisposed = false;
  sent: FromFrontend[] = [];
  onMsg: (message: any) => void = () => undefined;
  onClose: (message: any) => void = () => undefined;
  subshellStarted?: Promise<void>;

  open(data: any): void {
    this.sent.push(data);
  }

  send(data: any): void {
    this.sent.push(data);
  }

  close(): void {
    this.isDisposed = true;
  }

  say(data: unknown, asker?: string): void {
    this.onMsg({ content: { data }, parent_header: asker ? { session: asker } : {} });
  }
}

export class FakeKernel {
  constructor(readonly implementation = 'strata') {}

  readonly clientId = 'me';
  comms: FakeComm[] = [];
  handleComms = true;
  isDisposed = false;
  supportsSubshells = false;
  /** The start of the subshell that its comms have. */
  subshell?: Promise<void>;

  get info() {
    return Promise.resolve({ implementation: this.implementation });
  }

  createComm(): FakeComm {
    this.comms.push(Object.assign(new FakeComm(), { subshellStarted: this.subshell }));
    return this.comm;
  }

  get comm(): FakeComm {
    return this.comms[this.comms.length - 1];
  }
}

/** Only what a connection looks at. */
export class FakeSession {
  constructor(kernel: FakeKernel | null) {
    this.session = kernel && { kernel };
  }

  session: { kernel: FakeKernel } | null;
  isRestarting = false;
  readonly kernelChanged = new Signal<this, void>(this);
  readonly statusChanged = new Signal<this, string>(this);
  readonly connectionStatusChanged = new Signal<this, string>(this);

  get context(): ISessionContext {
    return this as unknown as ISessionContext;
  }

  change(kernel: FakeKernel | null): void {
    this.session = kernel && { kernel };
    this.kernelChanged.emit();
  }
}

/** A channel without a kernel behind it. */
export class FakeChannel implements IChannel {
  isOpen = false;
  isDisposed = false;
  sent: FromFrontend[] = [];
  readonly openChanged = new Signal<IChannel, boolean>(this);
  readonly received = new Signal<IChannel, FromKernel>(this);
  readonly disposed = new Signal<this, void>(this);

  send(message: FromFrontend): void {
    this.sent.push(message);
  }

  open(open = true): void {
    this.isOpen = open;
    this.openChanged.emit(open);
  }

  say(message: FromKernel): void {
    this.received.emit(message);
  }

  dispose(): void {
    this.isDisposed = true;
  }
}

/** Let promises that are under way go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setTimeout(resolve));
  }
}
