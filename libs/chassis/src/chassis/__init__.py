"""What every process has and none is about: settings, logs, probes, clients, shutdown."""
