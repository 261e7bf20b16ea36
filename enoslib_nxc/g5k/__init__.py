"""Everything that knows Grid'5000: where this program runs, what the sites offer."""
