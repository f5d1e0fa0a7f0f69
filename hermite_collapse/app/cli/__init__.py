"""The command hermite-collapse: one module for each command, loaded when it is asked for."""
