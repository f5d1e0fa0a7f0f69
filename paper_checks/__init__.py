"""Every statement of the two papers and of the additions to them, checked and judged.

`python -m paper_checks --list` names the statements, `--only NAME` runs one, `--out DIR` writes the page.

A verdict is "derived, algebra checked" where sympy confirms the algebra between the sentences of a derivation; "proved" is
said of enclosures alone.  A statement that is "false as displayed" names whose sentence it refutes.

Each statement is one file in `limit/`, `propagation/` or `additions/`.  Its evidence starts from the definition of
the recursion and shares nothing with the package; the package is reached through `subject` alone.
"""
