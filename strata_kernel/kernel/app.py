"""The process of a kernel: ipykernel's application with this package's kernel."""

from ipykernel.kernelapp import IPKernelApp

from strata_kernel.kernel.kernel import StrataKernel


class StrataKernelApp(IPKernelApp):
    """ipykernel's application, whose threads end in an order in which none waits for another."""

    kernel_class = StrataKernel

    def start(self) -> None:
        """Serve until the shutdown, and wait until it is told."""
        super().start()
        # At exit the thread that sends ends first: what the control thread then has to tell would wait for ever.
        control = self.control_thread
        if control is not None and control.is_alive():
            control.stop()
            control.join()
