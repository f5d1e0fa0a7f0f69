"""A whole reverse diffusion in one kernel: the plan that a kernel runs, and the kernels."""
