"""What the API decides without asking anybody: parsing, choosing, shaping."""
