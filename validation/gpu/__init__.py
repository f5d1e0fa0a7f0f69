"""Theory against a GPU: pieces in order of worth, sized to the minutes, each into its own record."""
