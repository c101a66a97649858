"""The proof: random lives of items, delivered badly, held against every view. `make prove` runs it whole."""
