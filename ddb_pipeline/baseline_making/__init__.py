"""How a baseline is made: from a snapshot or an export, verified, published, and the old ones retired."""
