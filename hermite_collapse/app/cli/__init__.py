"""The command hermite-collapse: one room for each command, loaded when it is asked for."""
