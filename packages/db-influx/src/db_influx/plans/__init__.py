"""What each method does, step by step: plans wait for nothing and know no wire."""
