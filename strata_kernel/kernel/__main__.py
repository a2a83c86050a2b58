"""Starts the kernel: `python -m strata_kernel.kernel -f connection.json`."""

from ipykernel.kernelapp import IPKernelApp

from strata_kernel.kernel.kernel import StrataKernel

if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=StrataKernel)
