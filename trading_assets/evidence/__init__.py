"""A month's report that others can check: the evidence beside it, and its verification."""
