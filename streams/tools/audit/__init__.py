"""`streams audit`: recounts the topics with the naive oracle and compares every row of every table."""
