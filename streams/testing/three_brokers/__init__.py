"""Three brokers, killed, frozen and restarted in turns under load, so that all leaders move; then the audit."""
