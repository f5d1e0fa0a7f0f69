"""What to choose: schedules, final steps, error models, repair."""
