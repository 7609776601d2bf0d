"""Rules over plain signals, the outbox, the sinks, acknowledgement."""
