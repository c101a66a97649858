"""The proof: random lives of items in a real table, delivered badly, held against every view. `make prove` runs it whole."""
