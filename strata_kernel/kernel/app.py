"""The process of a kernel: ipykernel's application with this package's kernel."""

from ipykernel.kernelapp import IPKernelApp

from strata_kernel.kernel.kernel import StrataKernel


class StrataKernelApp(IPKernelApp):
    """ipykernel's application, whose threads end in an order in which none waits for another."""

    kernel_class = StrataKernel

    def close(self) -> None:
        """End the threads, then close the sockets."""
        # It still tells that the shutdown is done. Once the thread that sends is gone, to tell anything waits for ever.
        control = self.control_thread
        if control is not None and control.is_alive():
            control.stop()
            control.join()
        super().close()
