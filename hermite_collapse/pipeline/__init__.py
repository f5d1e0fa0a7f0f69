"""What a real pipeline does to one direction: round maps of its parts, their composition, limits and ledger."""
