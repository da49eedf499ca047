"""The test kit: naive twins, oracle, generators. Shipped, and imported by no production code."""
