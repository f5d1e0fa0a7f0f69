"""Pages people read: one self-contained HTML file for each result."""
