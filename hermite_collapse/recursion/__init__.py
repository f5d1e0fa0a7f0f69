"""The exact theory of the recursion: modes, operators, schedules, regimes, laws of every round, sampling error."""
