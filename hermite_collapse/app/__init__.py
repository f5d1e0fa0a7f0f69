"""The only door for files and flags: configuration, runs, sweeps, the command."""
