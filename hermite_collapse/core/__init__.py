"""What everything rests on: checks of arguments, errors, estimates, tests of hypotheses, lazy names, notebook views."""
