"""What keeps a process healthy: supervision, topics on the cluster, metrics, logs."""
