"""Theory against somebody's measurements."""
